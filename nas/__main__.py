"""The command `nas`, also as `python -m nas`."""

import signal
import sys


def main() -> None:
    """The command as a process: once it has run, a Ctrl-C does not break off how Python ends."""
    try:
        run()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def run() -> None:
    """Runs the command line, ready for Ctrl-C and SIGTERM while it is still being imported."""
    try:
        from nas.support.signals import INTERRUPTED, exit_code, remembered_interrupts

        with remembered_interrupts():
            from nas.cli.terminal import open_streams

            open_streams()
            from nas.cli.main import main as command

            command()
    except KeyboardInterrupt:
        print("nas: interrupted", file=sys.stderr)
        sys.exit(exit_code(INTERRUPTED))
    except (MemoryError, ImportError) as error:  # of what is imported first
        from nas.support.errors import NO_MEMORY, lacks_memory

        if not lacks_memory(error):
            raise
        print(f"nas: {NO_MEMORY}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
