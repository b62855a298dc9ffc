"""Running commands that can be killed: processes of their own, or forks of one that waits.

A fork begins where a new interpreter has imported everything, which takes longer than most of these
commands do, so that a kill costs less and hits the command's own work.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, repeat
from math import inf
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

PATIENCE = 300.0  # seconds of CPU that a command may take, or of waiting, before it hangs
HANGS = 124
IMPORTED = [
    "nas.cli.main",
    "nas.study",
    "nas.training.run",
    "optuna",
    "torch",
    "onnx",
    "sqlalchemy",
]
Limit = tuple[int, int]  # a kind of `resource`, and its value


class Ended(NamedTuple):
    """How the processes of a command ended: their exit codes, and what each said to stderr."""

    codes: list[int]
    said: list[str]
    seconds: float
    cpu: float

    @property
    def otherwise(self) -> list[str]:
        """The last lines of those that neither did all nor said in one what they cannot do, with
        the exit code for it."""
        found = []
        for code, said in zip(self.codes, self.said, strict=True):
            last = "".join(said.strip().splitlines()[-1:])
            in_a_line = code == 0 or (code == 2 and last.startswith("nas: "))
            if not in_a_line or "Traceback" in said:
                found.append(last[:200])
        return found


class Forked:
    """A command in a process that was forked, with what is used of a `Popen`."""

    def __init__(self, words: Sequence[str], folder: Path, log: str) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(IMPORTED)
        self._process = context.Process(target=_command, args=(words, folder, log))
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


class Begun(subprocess.Popen[bytes]):
    """A command in a new interpreter."""

    def __init__(self, words: Sequence[str], folder: Path, log: str, limit: Limit | None) -> None:
        with open(log, "wb") as err:
            super().__init__(
                [sys.executable, "-m", "nas", *words],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=err,
                preexec_fn=(lambda: resource.setrlimit(limit[0], (limit[1], limit[1])))
                if limit
                else None,
            )


def _command(words: Sequence[str], folder: Path, log: str) -> None:
    from nas.__main__ import main

    os.chdir(folder)
    for path, stream in ((os.devnull, 1), (log, 2)):
        os.dup2(os.open(path, os.O_WRONLY), stream)
    sys.argv = ["nas", *words]
    main()


def run(
    words: Sequence[str],
    folder: Path,
    moments: Sequence[float] = (),
    *,
    drivers: int = 1,
    fork: bool = True,
    limit: Limit | None = None,
    strikes: Iterator[Callable[[], None]] | None = None,
) -> Ended:
    """Runs a command in a folder, so many `drivers` of it at once. `moments`: when each is killed,
    in seconds of CPU, as a busy machine has others; limit: is set in each; strikes: what happens
    while they run, one after another. One that hangs is killed, and its code is `HANGS`."""
    began = time.monotonic()
    with ExitStack() as stack:
        logs = [stack.enter_context(NamedTemporaryFile()) for _ in range(drivers)]
        processes: list[Forked | Begun] = []
        for log in logs:
            new = not fork or limit is not None  # what has been imported already needs no memory
            processes.append(
                Begun(words, folder, log.name, limit) if new else Forked(words, folder, log.name)
            )
            stack.callback(processes[-1].kill)
        cpu, hangs = 0.0, False
        while any(process.poll() is None for process in processes):
            hangs = hangs or max(cpu, time.monotonic() - began - PATIENCE) > PATIENCE
            for process, moment in zip(processes, chain(moments, repeat(inf)), strict=False):
                used = cpu_seconds(process.pid)
                cpu = max(cpu, used)
                if used >= moment or hangs:
                    process.kill()
            next(strikes or iter(()), lambda: time.sleep(0.005))()
        said = [Path(log.name).read_text(errors="replace") for log in logs]
    codes = [HANGS if hangs else process.poll() or 0 for process in processes]
    return Ended(codes, said, time.monotonic() - began, cpu)


def cpu_seconds(process: int) -> float:
    """What a process has used; 0 where it has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
