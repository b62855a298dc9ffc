"""Bad input of every kind; `scripts/fuzz_input.py` runs it for longer."""
