"""What a command relies on, to be killed while it runs: workers, a scheduler, a server."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import stores
from clusters import Cluster, wait_for_workers


def restart_server(rng: random.Random) -> bool:
    """Stops the database's server, and starts it again after a while."""
    stores.server().stop()
    time.sleep(rng.uniform(0, 2))
    stores.server().start()
    return True


def kill_worker(rng: random.Random) -> bool:
    """Kills a process that a driver which runs here has begun; False where there is none yet."""
    found = []
    for driver in _children(os.getpid()):
        found += [child for child in _children(driver) if "spawn_main" in _command(child)]
    with suppress(ProcessLookupError):
        if found:
            os.kill(rng.choice(found), signal.SIGKILL)
            return True
    return False


def _children(process: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for path in Path(f"/proc/{process}/task").glob("*/children")
                for word in path.read_text().split()]  # fmt: skip
    return []


def _command(process: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text()
    return ""


class OneCluster:
    """A cluster of two workers, made anew where its scheduler was killed."""

    def __init__(self) -> None:
        self._cluster: Cluster | None = None
        self._workers: list[Any] = []

    def options(self) -> list[str]:
        """The options of a command that uses it."""
        if self._cluster is None:
            self._cluster = Cluster(Path(mkdtemp()))
            atexit.register(self.stop)
            self._workers = [self._cluster.worker(), self._cluster.worker()]
            wait_for_workers(self._cluster.address, 2)
        return ["--scheduler", self._cluster.address]

    def kill_worker(self, rng: random.Random) -> bool:
        """Kills a worker; another one takes its place."""
        assert self._cluster is not None
        which = rng.randrange(2)
        self._workers[which].kill()
        self._workers[which] = self._cluster.worker()
        return True

    def stop(self, rng: random.Random | None = None) -> bool:
        """Kills the scheduler and, as they are of no use any more, its workers."""
        if self._cluster is None:
            return False
        self._cluster.stop()
        shutil.rmtree(self._cluster.folder)
        self._cluster = None
        return True
