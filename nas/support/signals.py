"""Stopping on Ctrl-C or SIGTERM without cutting off the work at hand."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """A context in which the first SIGINT or SIGTERM calls `stop`, and a second one raises
    `KeyboardInterrupt`.

    Without it Python raises the interrupt wherever it happens to be, and a callback of C code, for
    one, can lose it. Outside the main thread the context does nothing: only that thread gets
    signals. A signal that a program's C code handles stays its own, for Python could not give it
    back.
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
        stop()

    ours = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is not None]
    before = {number: signal.signal(number, handle) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
