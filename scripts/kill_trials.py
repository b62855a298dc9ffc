"""Trying what becomes of a command that is killed, or that lacks disk, files or memory."""

from __future__ import annotations

import gc
import random
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kill_cases import Case, Kept
from kill_runs import HANGS, Ended, run

FULL = (12, 20)  # room that is left on a full disk: 2 to the power of so many bytes
FILES = (4, 40)  # open files that a process may have, its three streams included
MEMORY = (1 << 28, 3 << 30)  # address space in bytes; importing torch alone takes 1 GB of it
MOST = 8  # kills in a round
KILL, DISKS, LIMITS = "kill -9", ("disk full", "disk read-only"), ("few files", "little memory")

Facts = dict[str, Any]  # a row of the results


class Watch:
    """What a case has stored so far, and what became of it."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.seen: Kept = {}
        self.lost: list[str] = []
        self.damaged: list[str] = []

    def look(self, ended: Ended) -> None:
        """Compares what is stored with what was before the run."""
        if HANGS in ended.codes:
            self.damaged.append("it hangs")
        try:
            found = self.case.kept(self.folder)
        except Exception as error:
            self.damaged.append(f"{type(error).__name__}: {error}"[:300])
            return
        self.lost += [key for key, value in self.seen.items() if found.get(key) != value]
        self.seen = found


def leftovers(folder: Path) -> int:
    """The temporary files that killed writers left."""
    return sum(p.name.startswith(".") and p.suffix not in (".lock", ".driver0", ".driver1")
               for p in folder.rglob("*") if p.is_file())  # fmt: skip


class Trials:
    """A case that is tried, again and again."""

    def __init__(self, case: Case, base: Path) -> None:
        self.case, self.base = case, base
        (base / "fresh").mkdir()
        case.prepare(base / "fresh")
        ended = self.run(left := self._fresh(base / "alone"))
        assert ended.codes == [0] * case.drivers, ended.said
        self.kept, self.cpu, self.seconds = case.kept(left), ended.cpu, ended.seconds
        assert self.kept, f"{case.name} stores nothing"

    def run(self, folder: Path, moments: Sequence[float] = (), **more: Any) -> Ended:
        words = self.case.words(folder)
        return run(words, folder, moments, drivers=self.case.drivers, fork=self.case.fork, **more)

    def found(self, kind: str, most: int, rng: random.Random) -> Facts:
        """What becomes of the command where that happens to it, so many times at the `most`."""
        with TemporaryDirectory(dir=self.base) as place:
            base = Path(place)
            if kind == KILL:
                facts = self._kills(self._fresh(base / "it"), rng)
            elif kind in self.case.others:
                facts = self._strikes(self._fresh(base / "it"), kind, most, rng)
            else:
                facts = self._fault(base / "it", kind, rng)
        return {"case": self.case.name, "fault": kind, "rounds": 1, **facts}

    def _fresh(self, folder: Path) -> Path:
        """A folder in which nothing has been done yet."""
        shutil.copytree(self.base / "fresh", folder, dirs_exist_ok=True)
        self.case.begin(folder)
        return folder

    def _finished(self, watch: Watch) -> Facts:
        """Runs what is left to its end; the facts of all that was seen."""
        last = self.run(watch.folder)
        watch.look(last)
        return {
            "stored": len(watch.seen),
            "lost": watch.lost,
            "damaged": watch.damaged,
            "goes on": last.codes == [0] * self.case.drivers,
            "as if left alone": watch.seen == self.kept if self.case.exact else None,
            "temporary files left": leftovers(watch.folder),
        }

    def _kills(self, folder: Path, rng: random.Random) -> Facts:
        """Kills the command until its work is done, or so many times, at moments that are uniform
        over the CPU time that it takes; each driver at a moment of its own."""
        watch, killed, hit = Watch(self.case, folder), 0, True
        while hit and killed < MOST and not watch.seen.keys() >= self.kept.keys():
            moments = [rng.uniform(0, self.cpu) for _ in range(self.case.drivers)]
            watch.look(ended := self.run(folder, moments))
            hit = -signal.SIGKILL in ended.codes
            killed += hit
        return {"times": killed, **self._finished(watch)}

    def _strikes(self, folder: Path, kind: str, most: int, rng: random.Random) -> Facts:
        """Runs the command while what it relies on is killed at random moments, then to its end."""
        watch, struck = Watch(self.case, folder), 0

        def events() -> Iterator[Callable[[], None]]:
            nonlocal struck
            while struck < most:
                until = time.monotonic() + rng.uniform(0, self.seconds)
                while time.monotonic() < until:
                    yield lambda: time.sleep(0.005)
                struck += self.case.others[kind](rng)
                yield lambda: None

        watch.look(ended := self.run(folder, strikes=events()))
        return {"times": struck, **how(ended), **self._finished(watch)}

    def _fault(self, folder: Path, kind: str, rng: random.Random) -> Facts:
        """Runs the command under a fault, then without it to its end."""
        disk = kind in DISKS
        with tmpfs(folder) if disk else nullcontext():
            self._fresh(folder)
            watch, limit = Watch(self.case, folder), None
            if kind == "disk full":
                used = sum(p.stat().st_blocks * 512 for p in folder.rglob("*"))
                room = int(2 ** rng.uniform(*FULL))
                remount(folder, f"size={(used + room) // 4096 * 4096 + 4096}")
            elif kind == "disk read-only":
                remount(folder, "ro")
            elif kind == "few files":
                limit = resource.RLIMIT_NOFILE, rng.randint(*FILES)
            else:
                limit = resource.RLIMIT_AS, rng.randint(*MEMORY)
            ended = self.run(folder, limit=limit)
            if disk:
                remount(folder, "rw,size=256m")
            watch.look(ended)
            return {"times": 1, **how(ended), **self._finished(watch)}


def how(ended: Ended) -> Facts:
    """How a command ended, as facts that can be added."""
    codes = {str(code): count for code, count in Counter(ended.codes).items()}
    return {
        "said in a line": int(not ended.otherwise),
        "exit codes": codes,
        "otherwise": ended.otherwise,
    }


@contextmanager
def tmpfs(place: Path, size: int = 1 << 28) -> Iterator[Path]:
    """A file system of its own in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    gc.collect()  # a database's connections keep its file open
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
