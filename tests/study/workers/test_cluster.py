"""A Dask cluster: a real scheduler and real workers; killed ones, stopped ones and wrong ones."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clusters import Cluster, wait_for_workers
from studies import take_reference

from nas.plugins import PluginFile
from nas.proxies import evaluate
from nas.study import Driver, begin
from nas.study.workers import cluster as module
from nas.study.workers.open import open_executor
from nas.support.errors import NasError

pytest.importorskip("distributed", reason="needs the extra 'cluster'")

OLD = """
import sys, nas._version
nas._version.__version__ = "0.0.1"
from distributed.cli.dask_worker import main
main()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    yield found
    found.stop()


@pytest.mark.parametrize(
    ("address", "variable", "value", "said"),
    [
        ("tls://127.0.0.1:9", "X", "", "TLS needs a certificate"),
        ("tls://127.0.0.1:9", "CLIENT__CERT", "none.pem", "No such file"),
        ("tcp://127.0.0.1:9", "REQUIRE", "", "encryption"),
    ],
)
def test_what_is_wrong_with_the_encryption_is_one_line(
    address: str, variable: str, value: str, said: str
) -> None:
    import dask

    name = "distributed.comm.tls." + variable.lower().replace("__", ".")
    settings = {
        name: value or None,
        "distributed.comm.tls.ca-file": value or None,
        "distributed.comm.require-encryption": variable == "REQUIRE",
    }
    with dask.config.set(settings), pytest.raises(NasError, match=said) as raised:
        module.ClusterExecutor(address)
    assert "\n" not in str(raised.value)


def test_workers_that_are_killed_in_mid_task_lose_and_double_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), proxies=["synflow"])
    take_reference(study)
    workers = [cluster.worker(), cluster.worker()]
    killed = 0

    def kill(progress: Any) -> None:
        nonlocal killed
        if progress.phase == "search" and killed < 4:
            # There is always more under way than workers to do it, so this is in mid-task.
            wait_for_workers(cluster.address, 1)
            workers[killed % 2].kill()
            workers[killed % 2] = cluster.worker()
            killed += 1

    with open_executor(scheduler=cluster.address) as (executor, slots):
        assert Driver(study, executor, slots, kill).run(20) == "finished"
    assert killed == 4
    records = study.records()
    assert [record.trial for record in records] == list(range(20))
    assert len({trial.user_attrs["hash"] for trial in study.trials()}) == 20
    for record in records[::5]:
        assert record.scores == evaluate(record.arch, ["synflow"], study.settings.seed)


def test_when_the_scheduler_stops_the_driver_says_so_and_the_study_is_kept(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), proxies=["synflow"])
    take_reference(study)
    cluster.worker()
    address = cluster.address

    def stop(progress: Any) -> None:
        if progress.phase == "search" and progress.trials == 3:
            cluster.scheduler.kill()

    with (
        pytest.raises(NasError, match=f"scheduler '{address}' has stopped"),
        open_executor(scheduler=address) as (executor, slots),
    ):
        Driver(study, executor, slots, stop).run(1000)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    kept = len(study.trials())
    assert kept >= 3
    assert Driver(study).run(kept + 2) == "finished"
    with pytest.raises(NasError, match=f"scheduler '{address}' cannot be reached"):
        open_executor(scheduler=address).__enter__()


def test_a_worker_of_another_version_is_refused_before_the_search(cluster: Cluster) -> None:
    cluster.worker("-c", OLD)
    wait_for_workers(cluster.address, 1)
    with pytest.raises(NasError, match=r"worker tcp://127.* has hw-nas 0\.0\.1, this is .*install"):
        open_executor(scheduler=cluster.address).__enter__()


def test_a_worker_of_another_version_that_joins_later_is_refused(
    cluster: Cluster, tmp_path: Path
) -> None:
    study = begin("jetson", ["20M"], "small", storage=str(tmp_path), proxies=["synflow"])
    with open_executor(scheduler=cluster.address) as (executor, slots):
        cluster.worker("-c", OLD)
        with pytest.raises(NasError, match=r"worker tcp://127.* has hw-nas 0\.0\.1, this is"):
            Driver(study, executor, slots).run(10)


def test_a_worker_without_a_plugin_is_refused(cluster: Cluster) -> None:
    cluster.worker()
    wait_for_workers(cluster.address, 1)
    missing = PluginFile(path="/nosuch/plugin.py", sha256="0")
    with pytest.raises(NasError, match=r"worker tcp://127.*: worker: plugin /nosuch/plugin\.py"):
        open_executor(scheduler=cluster.address, plugins=[missing]).__enter__()


def test_a_scheduler_that_is_not_there_or_no_address_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1)
    with pytest.raises(NasError, match=r"scheduler 'tcp:.*' cannot be reached") as caught:
        open_executor(scheduler="tcp://127.0.0.1:1").__enter__()
    assert "\n" not in str(caught.value)
    for address in ("nowhere", "tcp://", "http://127.0.0.1:1", "tcp://host:port", ""):
        with pytest.raises(NasError, match=f"scheduler '{address}': must be an address such as"):
            open_executor(scheduler=address).__enter__()


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NasError, match=r"pip install '\.\[cluster\]'"):
        open_executor(scheduler="tcp://127.0.0.1:1").__enter__()


def test_calls_of_one_worker_take_turns(cluster: Cluster) -> None:
    """Torch's generator is one a process, so two threads at once would draw other numbers."""
    cluster.worker("-m", "distributed.cli.dask_worker", "--nworkers", "1")
    wait_for_workers(cluster.address, 1)
    with open_executor(scheduler=cluster.address) as (executor, slots):
        assert callable(slots)
        assert slots() >= 1
        with ThreadPoolExecutor(4) as threads:
            calls = threads.map(lambda n: executor.submit(divmod, n, 3).result(), range(12))
        assert list(calls) == [divmod(n, 3) for n in range(12)]


def test_a_scheduler_without_workers_says_so_and_answers_ctrl_c(
    cluster: Cluster, tmp_path: Path
) -> None:
    words = "search --target jetson --budget 20M --space small --proxies entropy --scheduler"
    command = [sys.executable, "-m", "nas", *words.split(), cluster.address]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        assert "has no workers yet" in child.stderr.readline()
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "interrupted" in out
    assert "Traceback" not in err
