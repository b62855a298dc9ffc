"""Executors: anything with `concurrent.futures`' interface; this one runs in the driver itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class InlineExecutor(Executor):
    """Runs a call at once, in this process; its slots (see the driver) are one.

    Torch is held to one thread: a proxy's tensors are small, and on a busy machine threads that
    wait for each other made a search six times slower.
    """

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future
