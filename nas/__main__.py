"""`python -m nas` is the command `nas`."""

from nas.cli.main import main

main()
