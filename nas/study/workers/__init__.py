"""What candidates are evaluated with."""
