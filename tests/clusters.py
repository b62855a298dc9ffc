"""A real Dask cluster on this machine, to be killed at will."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


class Cluster:
    """A scheduler on loopback and its workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"
        )
        while not self.file.exists():
            assert self.scheduler.poll() is None
            time.sleep(0.1)
        while not self.address:
            time.sleep(0.1)

    @property
    def address(self) -> str:
        words = self.file.read_text().split('"')
        return next((word for word in words if word.startswith("tcp://")), "")

    def worker(self, *launch: str) -> subprocess.Popen[bytes]:
        """Another worker, of one thread."""
        launch = launch or ("-m", "distributed.cli.dask_worker")
        return self._start(*launch, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        common = ("--no-dashboard", "--scheduler-file", str(self.file))
        command = [sys.executable, *words, *common]
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Kills all of it."""
        for process in self.processes:
            process.kill()
            process.wait()


def wait_for_workers(address: str, count: int) -> None:
    """Until so many workers have joined."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)
