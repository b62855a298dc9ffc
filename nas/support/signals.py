"""Ctrl-C and SIGTERM that let what is running finish."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType


@contextmanager
def stop_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `stop`, a second one raises `KeyboardInterrupt`.

    An interrupt that Python raises wherever it happens to be can be lost, in a callback of C code
    for one. Outside the main thread, which alone gets signals, nothing is done.
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
