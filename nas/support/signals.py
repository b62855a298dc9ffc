"""Stopping on Ctrl-C or SIGTERM: the work at hand may end, but it is not waited for long."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

GRACE_SECONDS = 3.0
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
_remembered = 0  # the signal that came to the command that now runs, if one did
_came = 0  # the same, also where `stop_on_signal` took it


def exit_code(code: int) -> int:
    """The code that a process ends with whose work ended so: SIGTERM has one of its own."""
    return 128 + _came if code == INTERRUPTED and _came else code


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """A context, of a whole command, in which Ctrl-C raises `KeyboardInterrupt` as ever, SIGTERM
    too, and is remembered: where a callback of C code loses it the next `stop_on_signal` stops at
    once, and where C code makes another error of it, it is raised after all. In an import the
    process ends at once, for what torch's C code makes of an exception there is an abort."""
    global _remembered, _came
    _remembered = _came = 0
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # Others are somebody else's, or ignored.
    ours = {n: handler for n, handler in usual.items() if signal.getsignal(n) == handler}

    def handle(number: int, frame: FrameType | None) -> None:
        global _remembered, _came
        _remembered = _came = number
        if _imports(frame):
            os.write(2, b"nas: interrupted\n")
            os._exit(exit_code(INTERRUPTED))  # what is written is written whole, or not at all
        raise KeyboardInterrupt

    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    except Exception:
        if _remembered:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)


def _imports(frame: FrameType | None) -> bool:
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


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
        global _came
        if called:
            raise KeyboardInterrupt
        called, _came = True, number
        # A timer of the system's: a thread cannot be begun wherever a signal comes.
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS, GRACE_SECONDS)
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    ours = [number for number in numbers if signal.getsignal(number) is not None]
    before = {number: signal.signal(number, handle) for number in ours}
    try:
        if _remembered:
            handle(_remembered, None)
        yield
    finally:
        if called:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
