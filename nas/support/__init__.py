"""What every part stands on: errors, files, YAML, validation, signals, shipped data."""
