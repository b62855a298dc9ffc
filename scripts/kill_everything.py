"""Kills every long command at random moments and takes disk, files and memory away from it.

    python scripts/kill_everything.py --kills 100 --faults 5 --doc

A command is begun and, after each kill (SIGKILL), gone on with. What it had stored for good before
must be there still and unchanged; at last it is run to its end, and must have what a run has that
was left alone. What a command relies on is killed in the same way while it runs: its workers, a
cluster's workers and scheduler, a database's server. Faults come the same way: a full disk and one
that can only be read (file systems of their own, which takes root's rights), too few open files,
too little memory. A command that fails must say so in one line, with exit code 2, and leave nothing
damaged. Counts are kept in the results, and a script that was stopped goes on from there. `--doc`
writes the tables of docs/reliability.md anew from them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import zip_longest
from math import ceil, inf
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, NamedTuple

from kill_cases import CASES, Case, Kept

from nas._version import __version__
from nas.support.files import write_whole

DOC = Path(__file__).parents[1] / "docs" / "reliability.md"
RESULTS = Path(__file__).parent / "results" / "reliability.json"
BEGIN, END = "<!-- made by scripts/kill_everything.py -->", "<!-- end -->"
FULL = (12, 20)  # room that is left on a full disk: 2 to the power of so many bytes
FILES = (4, 40)  # open files that a process may have, its three streams included
MEMORY = (1 << 28, 3 << 30)  # address space in bytes; importing torch alone takes 1 GB of it
PATIENCE = 900.0  # seconds for a command to end
KILL, DISKS, LIMITS = "kill -9", ("disk full", "disk read-only"), ("few files", "little memory")
PARTS = (0.1, 0.4, 1.0)  # of the goals: each goes through all the cases


Facts = dict[str, Any]  # a row of the results


class Ended(NamedTuple):
    """How the processes of a command ended: their exit codes, and all they said to stderr."""

    codes: list[int]
    said: str
    seconds: float
    cpu: float

    @property
    def plain(self) -> bool:
        """Whether all is done, or each failure is said in a line, with the exit code for it."""
        last = self.said.strip().splitlines()[-1:]
        failed = any(self.codes)
        return (
            {*self.codes} <= {0, 2}
            and "Traceback" not in self.said
            and (not failed or last[0].startswith("nas: "))
        )


def run(
    case: Case,
    folder: Path,
    moments: Sequence[float] = (),
    limit: Callable[[], None] | None = None,
    strikes: Iterator[Callable[[], None]] | None = None,
) -> Ended:
    """Runs the command of a case in its folder. `moments`: when each driver is killed, in seconds
    of CPU, as a busy machine has others; limit: is set in each driver; strikes: what happens while
    they run, one after another."""
    command = [sys.executable, "-m", "nas", *case.words(folder)]
    began = time.monotonic()
    with ExitStack() as stack:
        logs = [stack.enter_context(TemporaryFile("w+")) for _ in range(case.drivers)]
        processes = [
            subprocess.Popen(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=limit
            )
            for log in logs
        ]
        cpu = 0.0
        while any(p.poll() is None for p in processes):
            assert time.monotonic() < began + PATIENCE, f"{case.name} does not end"
            for process, moment in zip_longest(processes, moments, fillvalue=inf):
                used = cpu_seconds(process.pid)
                cpu = max(cpu, used)
                if used >= moment:
                    process.kill()
            next(strikes or iter(()), lambda: time.sleep(0.01))()
        seconds = time.monotonic() - began
        said = ""
        for log in logs:
            log.seek(0)
            said += log.read()
    return Ended([p.returncode for p in processes], said, seconds, cpu)


def cpu_seconds(process: int) -> float:
    """What a process has used; 0 where it has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Alone(NamedTuple):
    """What a command stores that is left alone, and how long it takes."""

    kept: Kept
    seconds: float
    cpu: float  # of one driver


class Watch:
    """What a case has stored so far, and what became of it."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.seen: Kept = {}
        self.lost: list[str] = []
        self.damaged: list[str] = []

    def look(self) -> None:
        """Compares what is stored with what was before."""
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


def finished(case: Case, watch: Watch, alone: Kept) -> Facts:
    """Runs what is left to its end; the facts of all that was seen."""
    last = run(case, watch.folder)
    watch.look()
    return {
        "stored": len(watch.seen),
        "lost": watch.lost,
        "damaged": watch.damaged,
        "goes on": last.codes == [0] * case.drivers,
        "as if left alone": watch.seen == alone if case.exact else None,
        "temporary files left": leftovers(watch.folder),
    }


def kills(case: Case, base: Path, most: int, alone: Alone, rng: random.Random) -> Facts:
    """Kills a command until its work is done, so many times at the `most`, at moments that are
    uniform over the CPU time that it takes; each driver at a moment of its own."""
    watch, killed, hit = Watch(case, copy(base / "fresh", base / "killed")), 0, True
    while hit and killed < most and not watch.seen.keys() >= alone.kept.keys():
        ended = run(case, watch.folder, [rng.uniform(0, alone.cpu) for _ in range(case.drivers)])
        watch.look()
        hit = any(code == -signal.SIGKILL for code in ended.codes)
        killed += hit
    return {"times": killed, "rounds": 1, **finished(case, watch, alone.kept)}


def strikes(
    case: Case, kind: str, base: Path, most: int, alone: Alone, rng: random.Random
) -> Facts:
    """Runs a command while what it relies on is killed at random moments, then to its end."""
    watch, struck = Watch(case, copy(base / "fresh", base / "struck")), 0

    def events() -> Iterator[Callable[[], None]]:
        nonlocal struck
        while struck < most:
            until = time.monotonic() + rng.uniform(0, alone.seconds)
            while time.monotonic() < until:
                yield lambda: time.sleep(0.01)
            struck += case.others[kind](rng)
            yield lambda: None

    ended = run(case, watch.folder, strikes=events())
    watch.look()
    return {"times": struck, **how(ended), **finished(case, watch, alone.kept)}


def how(ended: Ended) -> Facts:
    """How a command ended, as facts that can be added."""
    last = "".join(ended.said.strip().splitlines()[-1:])[:200]
    codes = {str(code): count for code, count in Counter(ended.codes).items()}
    return {
        "runs": 1,
        "said in a line": int(ended.plain),
        "exit codes": codes,
        "otherwise": [] if ended.plain else [last],
    }


def added(one: Facts, other: Facts) -> Facts:
    """The facts of several rounds as one."""
    whole: Facts = {}
    for key, value in one.items():
        if isinstance(value, dict):
            whole[key] = dict(Counter(value) + Counter(other[key]))
        elif isinstance(value, bool):
            whole[key] = value and other[key]
        elif value is None or isinstance(value, str):
            whole[key] = value
        else:
            whole[key] = value + other[key]
    return whole


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


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
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def limited(kind: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (value, value))


def faults(kind: str, case: Case, base: Path, alone: Alone, rng: random.Random) -> Facts:
    """Runs a command under a fault, then without it to its end."""
    disk = kind in DISKS
    with tmpfs(base / "disk") if disk else nullcontext(base / "faulty") as folder:
        watch, limit = Watch(case, copy(base / "fresh", folder)), None
        if kind == "disk full":
            used = sum(p.stat().st_blocks * 512 for p in folder.rglob("*"))
            room = int(2 ** rng.uniform(*FULL))
            remount(folder, f"size={(used + room) // 4096 * 4096 + 4096}")
        elif kind == "disk read-only":
            remount(folder, "ro")
        elif kind == "few files":
            limit = limited(resource.RLIMIT_NOFILE, rng.randint(*FILES))
        else:
            limit = limited(resource.RLIMIT_AS, rng.randint(*MEMORY))
        ended = run(case, folder, limit=limit)
        if disk:
            remount(folder, "rw,size=256m")
        watch.look()
        facts = finished(case, watch, alone.kept)
    return {"times": 1, **how(ended), **facts}


def judged(case: Case, goals: dict[str, int], done: dict[str, Facts], seed: int) -> Iterator[Facts]:
    """Rounds of a case until each kind of fault was there as often as its goal says: what of each
    is known with the round's."""
    if all(done.get(kind, {"times": 0})["times"] >= goal for kind, goal in goals.items()):
        return
    with TemporaryDirectory() as name:
        base = Path(name).resolve()
        (base / "fresh").mkdir()
        case.prepare(base / "fresh")
        ended = run(case, left := copy(base / "fresh", base / "alone"))
        assert ended.codes == [0] * case.drivers, ended.said
        alone = Alone(case.kept(left), ended.seconds, ended.cpu)
        for kind, goal in goals.items():
            so_far = done.get(kind)
            while (times := so_far["times"] if so_far else 0) < goal:
                rng = random.Random(f"{seed} {case.name} {kind} {times}")
                with TemporaryDirectory(dir=base) as place:
                    here = Path(place)
                    copy(base / "fresh", here / "fresh")
                    if kind == KILL:
                        found = kills(case, here, goal - times, alone, rng)
                    elif kind in case.others:
                        found = strikes(case, kind, here, goal - times, alone, rng)
                    else:
                        found = faults(kind, case, here, alone, rng)
                found = {"case": case.name, "fault": kind, **found}
                so_far = added(so_far, found) if so_far else found
                yield so_far


def tables(results: Facts) -> str:
    """The results as Markdown."""

    def line(row: Facts, *more: object) -> str:
        same = {True: "yes", False: "**no**", None: "–"}[row["as if left alone"]]
        goes_on = "yes" if row["goes on"] else "**no**"
        bad = len(row["lost"]), len(row["damaged"])
        return f"| {' | '.join(map(str, [row['case'], *more, *bad, goes_on, same]))} |"

    killed = [r for r in results["rows"] if r["fault"] == KILL]
    others = [r for r in results["rows"] if r["fault"] != KILL]
    end = "lost | damaged | goes on | ends as if left alone |"
    text = [f"hw-nas {results['version']}, {results['date']}; seed {results['seed']}.", ""]
    text += [f"| command | kills | {end}", "|---|--:|--:|--:|---|---|"]
    text += [line(r, r["times"]) for r in killed]
    text += [
        "",
        f"| command | fault | times | runs | done or said in one line | {end}",
        "|---|---|--:|--:|--:|--:|--:|---|---|",
    ]
    text += [line(r, r["fault"], r["times"], r["runs"], r["said in a line"]) for r in others]
    return "\n".join(text)


def write_doc(results: Facts) -> None:
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOC.write_whole(f"{before}{BEGIN}\n{tables(results)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Runs the cases and writes what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="a command, and what it relies on")
    parser.add_argument("--faults", type=int, default=5, help="times each, a command")
    parser.add_argument("--case", default="", help="only the one of that name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS, help="the counts so far")
    parser.add_argument("--doc", action="store_true", help="write docs/reliability.md's tables too")
    options = parser.parse_args()
    rows = json.loads(options.output.read_text())["rows"] if options.output.exists() else []
    for part in PARTS:  # a script that is stopped has a bit of everything
        for case in CASES:
            if options.case not in (case.name, ""):
                continue
            goals = dict.fromkeys((KILL, *case.others), ceil(options.kills * part))
            disks = DISKS if case.on_disk and os.geteuid() == 0 else ()
            goals |= dict.fromkeys((*disks, *LIMITS), ceil(options.faults * part))
            done = {row["fault"]: row for row in rows if row["case"] == case.name}
            for row in judged(case, goals, done, options.seed):
                print(json.dumps(row), flush=True)
                done[row["fault"]] = row
                rows = [r for r in rows if r["case"] != case.name] + [*done.values()]
                made = {"version": __version__, "date": time.strftime("%Y-%m-%d")}
                made |= {"seed": options.seed, "rows": rows}
                write_whole(options.output, json.dumps(made, indent=1) + "\n")
    if options.doc:
        write_doc(json.loads(options.output.read_text()))


if __name__ == "__main__":
    main()
