"""Kills every long command at random moments and takes disk, files and memory away from it.

    python scripts/kill_everything.py --kills 100 --faults 5
    python scripts/kill_everything.py --doc

A command is begun and, after each kill (SIGKILL), gone on with. What it had stored for good before
must be there still and unchanged; at last it is run to its end, and must have what a run has that
was left alone. What a command relies on is killed in the same way while it runs: its workers, a
cluster's workers and scheduler, a database's server. Faults come the same way: a full disk and one
that can only be read (file systems of their own, which takes root's rights), too few open files,
too little memory. A command that fails must say so in one line, with exit code 2, and leave nothing
damaged. Counts are kept in the results, and a script that was stopped goes on from there; at any
moment all cases have been tried about as often. `--doc` writes the tables of docs/reliability.md,
those of interrupt.py and fuzz_input.py too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from kill_cases import CASES, Case
from kill_trials import DISKS, KILL, LIMITS, Facts, Trials

from nas._version import __version__
from nas.support.files import write_whole

DOC = Path(__file__).parents[1] / "docs" / "reliability.md"
FOLDER = Path(__file__).parent / "results"
RESULTS = FOLDER / "reliability.json"
END = "<!-- end -->"
PARTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # of the goals: each goes through all the cases
MISSES = 5


def goals(case: Case, kills: float, faults: float) -> dict[str, int]:
    """How often to try each kind of what may happen to a case."""
    disks = DISKS if case.on_disk and os.geteuid() == 0 else ()
    return {
        **dict.fromkeys((KILL, *case.others), ceil(kills * case.share)),
        **dict.fromkeys((*disks, *LIMITS), ceil(faults * case.share)),
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


def judged(trials: Trials, kind: str, goal: int, row: Facts | None, seed: int) -> Iterator[Facts]:
    """The row of a kind, after each round until it has happened as often as is the goal."""
    misses = 0  # rounds that had ended before anything happened
    while (row or {"times": 0})["times"] < goal and misses < MISSES:
        rounds = row["rounds"] if row else 0
        rng = random.Random(f"{seed} {trials.case.name} {kind} {rounds}")
        found = trials.found(kind, goal - (row["times"] if row else 0), rng)
        misses += not found["times"]
        row = added(row, found) if row else found
        yield row


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
    text += [line(r, r["fault"], r["times"], r["rounds"], r["said in a line"]) for r in others]
    return "\n".join(text)


def interrupts(kinds: Facts) -> str:
    """The results of `interrupt.py` as Markdown."""
    head = "| command | interrupted | longest, one Ctrl-C | longest, three | exit codes | faults |"
    text = [head, "|---|--:|--:|--:|---|--:|"]
    for kind, row in kinds.items():
        codes = ", ".join(f"{code}: {count}" for code, count in row["codes"].items())
        seconds = (f"{row[which]:.1f} s" for which in ("once", "thrice"))
        cells = [kind, row["times"], *seconds, codes, len(row["faults"])]
        text.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(text)


def inputs(found: Facts) -> str:
    """The results of `fuzz_input.py` as Markdown."""
    text = ["| reader | inputs held |", "|---|--:|"]
    text += [f"| {name} | {count:,} |" for name, count in found["held"].items()]
    return "\n".join([*text, f"| in all | {found['in all']:,} |"])


def write_doc(results: Facts) -> None:
    """Writes the tables of all three scripts, each between its marks."""
    made = {
        "kill_everything": tables(results),
        "interrupt": interrupts(json.loads((FOLDER / "interrupt.json").read_text())["kinds"]),
        "fuzz_input": inputs(json.loads((FOLDER / "fuzz_input.json").read_text())),
    }
    text = DOC.read_text(encoding="utf-8")
    for script, table in made.items():
        begin = f"<!-- made from the results of scripts/{script}.py -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{table}\n{END}{rest.partition(END)[2]}"
    write_whole(DOC, text)


def main() -> None:
    """Tries the cases in turn and writes what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="a command, and what it relies on")
    parser.add_argument("--faults", type=int, default=5, help="times each, a command")
    parser.add_argument("--case", choices=[case.name for case in CASES], help="this one alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS, help="the counts so far")
    parser.add_argument(
        "--doc", action="store_true", help="only write docs/reliability.md's tables"
    )
    options = parser.parse_args()
    if options.doc:
        write_doc(json.loads(options.output.read_text()))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was begun is ended then too
    found = json.loads(options.output.read_text())["rows"] if options.output.exists() else []
    rows = {(row["case"], row["fault"]): row for row in found}
    made: Facts = {"version": __version__, "date": time.strftime("%Y-%m-%d"), "seed": options.seed}
    with TemporaryDirectory() as name:
        ready = cache(lambda case: Trials(CASES[case], Path(mkdtemp(dir=name)).resolve()))
        for part in PARTS:
            for number, case in enumerate(CASES):
                if options.case not in (case.name, None):
                    continue
                for kind, goal in goals(case, options.kills * part, options.faults * part).items():
                    known = rows.get((case.name, kind))
                    if known and known["times"] >= goal:
                        continue
                    for row in judged(ready(number), kind, goal, known, options.seed):
                        print(json.dumps(row), flush=True)
                        rows[case.name, kind] = row
                        text = json.dumps({**made, "rows": [*rows.values()]}, indent=1)
                        write_whole(options.output, f"{text}\n")


if __name__ == "__main__":
    main()
