"""Numpy's linear algebra on one thread: while it is asked for, and no longer."""

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from nas import AccuracyModel, SearchSpace
from nas.accuracy import model as accuracy_model
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


def test_a_library_that_is_loaded_later_has_one_thread_too() -> None:
    code = (
        "from nas.support.threads import one_blas_thread\n"
        "from threadpoolctl import ThreadpoolController\n"
        "with one_blas_thread(): pass\n"
        "import scipy.linalg\n"
        "with one_blas_thread():\n"
        "    found = [e for e in ThreadpoolController().info() if e['user_api'] == 'blas']\n"
        "print(len(found), {e['num_threads'] for e in found})\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    count, threads_of = run.stdout.split(maxsplit=1)
    assert int(count) >= 1
    assert threads_of.strip() == "{1}"


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


def test_a_model_of_accuracy_is_made_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """On two, `nas show` took 4 s of CPU for what takes 0.01 s, an adaptation 13 s for 0.8 s."""
    seen: list[set[int]] = []
    for name in ("inv", "eigh", "cholesky", "solve"):
        original = getattr(np.linalg, name)

        def noted(*args: object, of: object = original) -> object:
            if len(seen) < 100:  # looking is slow
                seen.append(threads())
            return of(*args)  # type: ignore[operator]

        monkeypatch.setattr(np.linalg, name, noted)
    with threadpool_limits(limits=2, user_api="blas"):
        accuracy_model._loaded.cache_clear()
        model = AccuracyModel.load()
        assert seen
        assert all(each == {1} for each in seen)
        seen.clear()
        archs = [SearchSpace.load("small").sample(seed) for seed in range(4)]
        model.adapt([(arch, 80.0 + i) for i, arch in enumerate(archs)])
        assert seen
        assert all(each == {1} for each in seen)
