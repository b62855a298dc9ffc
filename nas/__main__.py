"""The command `nas`, also as `python -m nas`."""

import sys


def main() -> None:
    """Runs the command line, ready for Ctrl-C while it is still being imported."""
    try:
        from nas.cli.terminal import open_streams

        open_streams()
        from nas.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("nas: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
