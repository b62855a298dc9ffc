"""Workers, which evaluate candidates."""
