"""Local worker processes: the same results from as many as one likes, however they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studies import take_reference

from nas import plugins
from nas.proxies import evaluate
from nas.study import Driver, Study, begin
from nas.study.workers.executors import TRIES, ProcessExecutor, WorkersLost
from nas.study.workers.open import open_executor
from nas.support.errors import NasError
from nas.support.registry import transaction

PLUGIN = """
import os
from nas.proxies import proxy

@proxy("deadly", paper="none")
def deadly(probe):
    if probe.arch.resolution == 28:
        os._exit(1)
    return probe.params
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(2) as executor:
        yield executor


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """A plugin file; what it registers is forgotten afterwards."""
    path = tmp_path / "deadly.py"
    path.write_text(PLUGIN)
    with transaction() as made:
        yield path
        made.undo()


def test_impossible_workers_are_one_clear_error() -> None:
    for workers in (0, -1, 10**6):
        with pytest.raises(NasError, match=f"workers {workers}: must be from 1 to"):
            open_executor(workers).__enter__()
    with pytest.raises(NasError, match="either workers or a scheduler"):
        open_executor(2, "tcp://127.0.0.1:1").__enter__()


def test_calls_run_in_processes_of_their_own_with_one_thread(pool: ProcessExecutor) -> None:
    import torch

    waiting = [pool.submit(time.sleep, 0.2) for _ in range(2)]
    found = {pool.submit(os.getpid).result() for _ in range(20)}
    assert os.getpid() not in found
    assert found <= {child.pid for child in multiprocessing.active_children()}
    assert [pool.submit(torch.get_num_threads).result() for _ in range(4)] == [1] * 4
    assert [future.result() for future in waiting] == [None, None]


def test_an_error_of_a_call_is_its_own(pool: ProcessExecutor) -> None:
    with pytest.raises(FileNotFoundError):  # though a dead process is an `OSError` too
        pool.submit(os.stat, "nosuchfile").result()
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 1, 0).result()
    assert pool.submit(divmod, 7, 2).result() == (3, 1)


def test_a_killed_process_costs_a_repeated_call(pool: ProcessExecutor) -> None:
    long = pool.submit(time.sleep, 1.0)
    time.sleep(0.3)
    before = {child.pid for child in multiprocessing.active_children()}
    for child in multiprocessing.active_children():
        child.kill()
    assert long.result() is None
    assert before.isdisjoint(child.pid for child in multiprocessing.active_children())


def test_a_call_that_kills_its_process_fails_and_the_others_do_not(pool: ProcessExecutor) -> None:
    calls = [pool.submit(os._exit, 1), *[pool.submit(divmod, n, 2) for n in range(20)]]
    with pytest.raises(NasError, match=f"its worker process was killed {TRIES} times"):
        calls[0].result()
    assert [call.result() for call in calls[1:]] == [divmod(n, 2) for n in range(20)]


def test_a_worker_that_cannot_begin_ends_the_search() -> None:
    missing = plugins.PluginFile(path="/nosuch/plugin.py", sha256="0")
    with (
        ProcessExecutor(1, (missing,)) as executor,
        pytest.raises(WorkersLost, match=r"cannot begin: worker: plugin /nosuch/plugin\.py"),
    ):
        executor.submit(os.getpid).result()


def test_workers_that_are_killed_all_the_time_lose_and_double_nothing(tmp_path: Path) -> None:
    options: dict[str, Any] = {"proxies": ["synflow"], "storage": str(tmp_path)}
    study = begin("jetson", ["20M"], "small", name="killed", **options)
    killed: list[int | None] = []

    def kill(progress: Any) -> None:
        children = multiprocessing.active_children()
        due = progress.trials == 2 + 4 * len(killed)  # one at a time: others are left to begin
        if progress.phase == "search" and children and due:
            victim = min(children, key=lambda child: child.pid or 0)  # which has begun
            victim.kill()
            killed.append(victim.pid)

    with open_executor(2) as (executor, slots):
        assert Driver(study, executor, slots, kill).run(12) == "finished"
    assert len(killed) >= 3
    records = study.records()
    assert [r.trial for r in records] == list(range(12))
    assert len({t.user_attrs["hash"] for t in study.trials()}) == 12
    for record in records[::4]:
        assert record.scores == evaluate(record.arch, ["synflow"], study.settings.seed)
    alone = begin("jetson", ["20M"], "small", name="alone", **options)
    Driver(alone).run(1)
    assert alone.optuna.user_attrs["nas:reference"] == study.optuna.user_attrs["nas:reference"]


def test_a_candidate_that_kills_its_workers_fails_with_that_reason(
    plugin: Path, tmp_path: Path
) -> None:
    file = plugins.load(plugin)
    options: dict[str, Any] = {"proxies": ["deadly"], "sampler": "random"}
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), **options)
    take_reference(study)
    with open_executor(2, plugins=(file,)) as (executor, slots):
        assert Driver(study, executor, slots).run(8) == "finished"
    trials = study.trials()
    failed = [t for t in trials if t.params["resolution"] == 28]
    assert failed
    assert {t.user_attrs["reason"] for t in failed} == {"its worker process was killed 3 times"}
    assert len(study.records()) == 8 - len(failed) > 0


def test_ctrl_c_is_the_drivers_alone(tmp_path: Path) -> None:
    words = "search --target jetson --budget 20M --space small --proxies synflow --workers 2"
    command = [sys.executable, "-m", "nas", *words.split(), "--study", "s", "--trials", "100000"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        while not _trials(tmp_path):
            time.sleep(0.2)
        os.killpg(child.pid, signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "finished trials are kept" in out
    assert "Traceback" not in err
    assert f"all {_trials(tmp_path)} finished" in out


def _trials(folder: Path) -> int:
    path = folder / "studies" / "s.journal"
    return len(Study.load(str(path)).trials()) if path.exists() else 0
