"""Bad input of every kind; `scripts/fuzz.py` runs it for longer."""
