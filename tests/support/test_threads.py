"""Numpy's linear algebra on one thread: while it is asked for, and no longer."""

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from nas.support.threads import one_blas_thread


def threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {
        each["num_threads"] for each in ThreadpoolController().info() if each["user_api"] == "blas"
    }


def test_there_is_one_thread_within_and_as_many_as_before_afterwards() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        with one_blas_thread():
            assert threads() == {1}
            with one_blas_thread():
                pass
            assert threads() == {1}
        assert threads() == before


def test_who_leaves_first_takes_nothing_from_who_came_later() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == before
