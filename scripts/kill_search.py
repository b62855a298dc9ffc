"""Kills a search at random moments, again and again, and compares it with one that was left alone.

    python scripts/kill_search.py --kills 100

Each time a new process goes on with the study and is killed (SIGKILL) up to half a second after its
first trial. No trial that was reported as stored may be missing, none be there twice, and in the
end all must equal those of an uninterrupted search with the same seed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any

from optuna.trial import FrozenTrial

from nas._version import __version__
from nas.study import Driver, Study, begin

CHILD = """
import sys
from nas.study import Driver, Study
def report(progress):
    if progress.phase == "search":
        print(progress.trials - 1, flush=True)
Driver(Study.load(sys.argv[1], sys.argv[2]), report=report).run(10**9)
"""


def start(folder: str, name: str) -> Study:
    """A new study, of analytic proxies: the more of its time goes to storing, the harder."""
    return begin(
        "jetson", ["100M"], "small", name=name, storage=folder, proxies=["entropy", "params"]
    )


def kill(folder: str, after: float) -> set[int]:
    """Goes on with the study for so many seconds; the numbers of the trials that it reported."""
    command = [sys.executable, "-c", CHILD, "killed", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(after)
        child.kill()
        *others, last = [first, *child.stdout]
        # The kill may have cut the last line.
        return {int(line) for line in [*others, *([last] if last.endswith("\n") else [])]}


def rows(study: Study) -> list[tuple[Any, ...]]:
    """All that a trial is, but for the time it took."""

    def facts(trial: FrozenTrial) -> dict[str, Any]:
        return {name: fact for name, fact in trial.user_attrs.items() if name != "seconds"}

    return [
        (t.number, t.state, t.params, t.values, facts(t), t.system_attrs) for t in study.trials()
    ]


def main() -> None:
    """Prints how many trials there were, and what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    rng, reported, cut = random.Random(options.seed), set[int](), 0
    with TemporaryDirectory() as folder:
        start(folder, "killed")
        for _ in range(options.kills):
            reported |= kill(folder, rng.uniform(0, 0.5))
            killed = Study.load("killed", folder)
            journal = killed.storage.journal("killed")
            cut += journal is not None and not journal.read_bytes().endswith(b"\n")
            numbers = [t.number for t in killed.trials()]
            hashes = {t.user_attrs["hash"] for t in killed.trials()}
            assert numbers == list(range(len(numbers))), "a trial is missing"
            assert reported <= set(numbers), "a trial that was stored is missing"
            assert len(hashes) == len(numbers), "a trial is there twice"
        alone = start(folder, "alone")
        Driver(alone).run(len(numbers))
        assert rows(alone) == rows(killed), "the trials are not those of an uninterrupted search"
    print(f"hw-nas {__version__}: {options.kills} times kill -9 over {len(numbers)} trials,")
    print(f"{len(reported)} of them reported before the kill; journals cut in mid-line: {cut}")
    print("missing: 0, there twice: 0; all equal those of an uninterrupted search")


if __name__ == "__main__":
    main()
