"""Numpy's linear algebra on one thread.

Our matrices are small: two threads gain nothing, and wait for each other on a busy machine. There a
search took a third more CPU time, and a new network's latency three times as much.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

OWNERS = ("scipy.linalg", "torch")  # modules that bring linear algebra of their own, some later
_lock, _within = Lock(), 0  # how many are in the context
_limit: Any = None


@cache
def _libraries(owners: tuple[str, ...]) -> ThreadpoolController:
    """What is loaded already, with these modules: finding it takes 100 times as long as setting its
    threads."""
    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which the linear algebra of numpy has one thread, in the whole process. The last
    to leave it sets what was before."""
    global _within, _limit
    with _lock:
        if not _within:
            owners = tuple(name for name in OWNERS if name in sys.modules)
            _limit = _libraries(owners).limit(limits=1, user_api="blas")
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                _limit.restore_original_limits()
