"""Stopping on Ctrl-C or SIGTERM: the work at hand may end, but it is not waited for long."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

GRACE_SECONDS = 3.0
_remembered = False  # whether a SIGINT came to the command that now runs


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """A context, of a whole command, in which Ctrl-C raises `KeyboardInterrupt` as ever, and is
    remembered: where a callback of C code loses it, as one of an import may, the next
    `stop_on_signal` stops at once, and where C code makes another error of it, as an import may
    too, it is raised after all."""
    global _remembered
    _remembered = False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # somebody else's, or ignored
        return

    def handle(number: int, frame: FrameType | None) -> None:
        global _remembered
        _remembered = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    except Exception:
        if _remembered:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """A context in which the first SIGINT or SIGTERM calls `stop`, also one that was lost before
    (`remembered_interrupts`).

    A second one raises `KeyboardInterrupt`, and so does the end of `GRACE_SECONDS` within the
    context: whatever is at hand then is given up. Without the context Python raises the interrupt
    wherever it happens to be, and a callback of C code, for one, can lose it. Outside the main
    thread the context does nothing: only that thread gets signals. A signal that a program's C code
    handles stays its own, for Python could not give it back.
    """
    if current_thread() is not main_thread():
        yield
        return
    called = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal called
        if called:
            raise KeyboardInterrupt
        called = True
        # A timer of the system's: a thread cannot be begun wherever a signal comes.
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS, GRACE_SECONDS)
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    ours = [number for number in numbers if signal.getsignal(number) is not None]
    before = {number: signal.signal(number, handle) for number in ours}
    try:
        if _remembered:
            handle(signal.SIGINT, None)
        yield
    finally:
        if called:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
