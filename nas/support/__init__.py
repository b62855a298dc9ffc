"""Helpers that every other part uses: errors, files, YAML, validation, signals, shipped data."""
