"""Ctrl-C as a terminal sends it: to every process of the command, once, and again and again.

`scripts/interrupt.py` does the same at many random moments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nas.study import Study
from nas.study.storage.storage import Storage

SEARCH = "search --target jetson --budget 20M --space small --study s --trials 100000"


def start(words: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nas", *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def study(folder: Path) -> Study | None:
    there = "s" in Storage(str(folder / "studies")).names()
    return Study.load("s", str(folder / "studies")) if there else None


def is_drawing(folder: Path) -> bool:
    """Whether a network of the reference sample is stored: as text, as reading a study takes long
    beside what it disturbs."""
    return any("nas:drawn" in path.read_text() for path in folder.glob("studies/s.journal"))


def running(group: int) -> bool:
    """Whether a process of the group runs; one that only waits to be reaped does not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            return True
    return False


def check_ended(child: subprocess.Popen[str], signals: int) -> None:
    for _ in range(signals):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
            time.sleep(0.3)
    _, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    assert child.returncode in (130, -signal.SIGINT)
    deadline = time.monotonic() + 30
    while running(child.pid):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.1)


@pytest.mark.parametrize(("workers", "signals"), [(1, 1), (2, 3)])
def test_in_the_reference_sample(workers: int, signals: int, tmp_path: Path) -> None:
    child = start(f"{SEARCH} --proxies synflow,zico --workers {workers}", tmp_path)
    while not is_drawing(tmp_path):
        assert child.poll() is None
        time.sleep(0.05)
    found = study(tmp_path)
    assert found is not None
    check_ended(child, signals)
    stopped = study(tmp_path)
    assert stopped is not None
    assert not stopped.trials()
    assert len(stopped.sample.drawn()) >= len(found.sample.drawn())


def test_while_the_workers_begin(tmp_path: Path) -> None:
    child = start(f"{SEARCH} --proxies synflow --workers 3", tmp_path)
    while not (tmp_path / "studies" / "s.journal").exists():
        time.sleep(0.02)
    check_ended(child, 1)


def test_an_end_that_is_cut_short_is_ended_with_the_interpreter(tmp_path: Path) -> None:
    """As by the third Ctrl-C: multiprocessing waits for processes that have blocked its signal."""
    (tmp_path / "program.py").write_text(
        """
import time

from nas.study.workers import executors

if __name__ == "__main__":
    executor = executors.ProcessExecutor(2)
    for _ in range(2):
        executor.submit(time.sleep, 600)
    while not all(process.began for process in executor._processes) or not executor._processes:
        time.sleep(0.1)
    kill = executors._Process.kill

    def interrupted(process):
        executors._Process.kill = kill
        raise KeyboardInterrupt

    executors._Process.kill = interrupted
    executor.__exit__()
"""
    )
    words = [sys.executable, "program.py"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in ended.stderr
