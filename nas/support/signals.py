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
    signals.
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

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
