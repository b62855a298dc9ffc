"""Kills every long command at random moments and takes disk, files and memory away from it.

    python scripts/kill_everything.py --kills 100 --faults 5 --doc

A command is begun and, after each kill (SIGKILL), gone on with. What it had stored for good before
must be there still and unchanged; at last it is run to its end, and must have what a run has that
was left alone. Faults come the same way: a full disk and one that can only be read (file systems of
their own, which takes root's rights), too few open files, too little memory. A command that fails
must say so in one line, with exit code 2, and leave nothing damaged. `--doc` writes the tables of
docs/reliability.md anew from the results.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from kill_cases import CASES, Case, Kept

from nas._version import __version__

DOC = Path(__file__).parents[1] / "docs" / "reliability.md"
RESULTS = Path(__file__).parent / "results" / "reliability.json"
BEGIN, END = "<!-- made by scripts/kill_everything.py -->", "<!-- end -->"
FULL = (12, 20)  # room that is left on a full disk: 2 to the power of so many bytes
FILES = (4, 40)  # open files that a process may have, its three streams included
MEMORY = (1 << 28, 3 << 30)  # address space in bytes; importing torch alone takes 1 GB of it
PATIENCE = 1800.0  # seconds for a command that is left alone


Facts = dict[str, Any]  # a row of the results


class Ended(NamedTuple):
    """How the processes of a command ended: their exit codes, and all they said to stderr."""

    codes: list[int]
    said: str
    seconds: float

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
    case: Case, folder: Path, after: float | None = None, limit: Callable[[], None] | None = None
) -> Ended:
    """Runs the command of a case in its folder; kills it `after` so many seconds, if at all."""
    command = [sys.executable, "-m", "nas", *case.words(folder)]
    began = time.monotonic()
    processes = [
        subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=limit,
        )
        for _ in range(case.drivers)
    ]  # fmt: skip
    said = ""
    for process in processes:
        left = None if after is None else max(0.0, began + after - time.monotonic())
        try:
            said += process.communicate(timeout=PATIENCE if left is None else left)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            said += process.communicate()[1]
            assert after is not None, f"{case.name} does not end"
    return Ended([p.returncode for p in processes], said, time.monotonic() - began)


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


def kills(
    case: Case, folder: Path, count: int, alone: Kept, seconds: float, rng: random.Random
) -> Facts:
    """Kills a command so many times, at moments that are uniform over the time that it takes; what
    has come to its end is begun anew."""
    watch, killed, rounds, facts = Watch(case, folder), 0, 0, []
    while killed < count:
        ended = run(case, watch.folder, rng.uniform(0, seconds))
        watch.look()
        hit = any(code == -signal.SIGKILL for code in ended.codes)
        killed += hit
        if not hit or watch.seen.keys() >= alone.keys() or killed == count:
            facts.append(finished(case, watch, alone))
            rounds += 1
            if killed < count:
                watch = Watch(case, copy(folder.parent / "fresh", folder.parent / f"again{rounds}"))
    return {"kills": killed, "rounds": rounds, **merged(facts)}


def merged(facts: list[Facts]) -> Facts:
    """The facts of several rounds as one."""
    whole: Facts = {}
    for key in facts[0]:
        values = [fact[key] for fact in facts]
        if isinstance(values[0], list):
            whole[key] = [item for value in values for item in value]
        elif isinstance(values[0], bool):
            whole[key] = all(values)
        else:
            whole[key] = None if values[0] is None else sum(values)
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


def faults(kind: str, case: Case, base: Path, count: int, alone: Kept, rng: random.Random) -> Facts:
    """Runs a command under a fault again and again, then without it to its end."""
    disk = kind in ("disk full", "disk read-only")
    with tmpfs(base / kind) if disk else nullcontext(base / kind) as folder:
        watch, plain, codes, said = Watch(case, copy(base / "fresh", folder)), 0, Counter[int](), []
        for _ in range(count):
            limit = None
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
            ended = run(case, folder, None, limit)
            if disk:
                remount(folder, "rw,size=256m")
            watch.look()
            plain += ended.plain
            codes.update(ended.codes)
            if not ended.plain:
                said.append("".join(ended.said.strip().splitlines()[-1:])[:200])
        facts = finished(case, watch, alone)
    ends: Facts = {"said in a line": plain, "exit codes": dict(codes), "otherwise": said}
    return {"times": count, **ends, **facts}


def judged(case: Case, options: argparse.Namespace, kinds: list[str]) -> Iterator[Facts]:
    rng = random.Random(f"{options.seed} {case.name}")
    with TemporaryDirectory() as name:
        base = Path(name).resolve()
        (base / "fresh").mkdir()
        case.prepare(base / "fresh")
        left = copy(base / "fresh", base / "alone")
        ended = run(case, left)
        assert ended.codes == [0] * case.drivers, ended.said
        alone = case.kept(left)
        if options.kills:
            folder = copy(base / "fresh", base / "killed")
            found = kills(case, folder, options.kills, alone, ended.seconds, rng)
            yield {"case": case.name, "fault": "kill -9", **found}
        for kind in kinds if options.faults else []:
            found = faults(kind, case, base, options.faults, alone, rng)
            yield {"case": case.name, "fault": kind, **found}


def tables(results: Facts) -> str:
    """The results as Markdown."""

    def line(row: Facts, times: str, *more: object) -> str:
        same = {True: "yes", False: "**no**", None: "–"}[row["as if left alone"]]
        goes_on = "yes" if row["goes on"] else "**no**"
        bad = len(row["lost"]), len(row["damaged"])
        return f"| {' | '.join(map(str, [row['case'], *more, row[times], *bad, goes_on, same]))} |"

    killed = [r for r in results["rows"] if r["fault"] == "kill -9"]
    others = [r for r in results["rows"] if r["fault"] != "kill -9"]
    end = "lost | damaged | goes on | ends as if left alone |"
    text = [f"hw-nas {results['version']}, {results['date']}; seed {results['seed']}.", ""]
    text += [f"| command | kills | {end}", "|---|--:|--:|--:|---|---|"]
    text += [line(r, "kills") for r in killed]
    text += [
        "",
        f"| command | fault | said in one line | times | {end}",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    text += [line(r, "times", r["fault"], r["said in a line"]) for r in others]
    return "\n".join(text)


def write_doc(results: Facts) -> None:
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    DOC.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Runs the cases and writes what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="a command")
    parser.add_argument("--faults", type=int, default=5, help="times each, a command")
    parser.add_argument("--case", default="", help="only the one of that name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS, help="rows of other cases stay")
    parser.add_argument("--doc", action="store_true", help="write docs/reliability.md's tables too")
    options = parser.parse_args()
    kinds = ["few files", "little memory"]
    kinds = ["disk full", "disk read-only", *kinds] if os.geteuid() == 0 else kinds
    rows = json.loads(options.output.read_text())["rows"] if options.output.exists() else []
    for case in CASES:
        if options.case not in (case.name, ""):
            continue
        for row in judged(case, options, kinds):
            print(json.dumps(row), flush=True)
            same = (row["case"], row["fault"])
            rows = [r for r in rows if (r["case"], r["fault"]) != same] + [row]
            made = {"version": __version__, "date": time.strftime("%Y-%m-%d"), "seed": options.seed}
            options.output.write_text(json.dumps(made | {"rows": rows}, indent=1) + "\n")
    if options.doc:
        write_doc(json.loads(options.output.read_text()))


if __name__ == "__main__":
    main()
