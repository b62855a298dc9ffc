"""Numpy's linear algebra on one thread.

Our matrices are small: two threads gain nothing, and wait for each other on a busy machine. There a
search took 1.4 times the CPU time, and a new network's latency three times.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    """What is loaded already: finding it takes 100 times as long as setting its threads."""
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """A context in which the linear algebra of numpy has one thread."""
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited
