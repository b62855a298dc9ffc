"""Interrupts commands at random moments by real signals, and says how each of them ended.

    python scripts/interrupt.py --times 30

Each kind of run gets Ctrl-C (SIGINT to the whole group, as a terminal sends it) at a random moment,
and every third of them a second one soon afterwards and a third. After one it must have ended
within 5 s, after two within 1 s (both on a machine that is not busy), without a traceback and with
no process left. What a study held before is there afterwards. What was found is kept in the
results, and a script that was stopped goes on from there.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from clusters import Cluster, wait_for_workers

from nas._version import __version__
from nas.study import Study
from nas.study.storage.storage import Storage
from nas.support.files import write_whole

SEARCH = "search --target jetson --budget 20M --space small --study s --trials 100000"
KINDS = {
    "reference sample": f"{SEARCH} --proxies synflow,zico",
    "reference sample, 2 workers": f"{SEARCH} --proxies synflow,zico --workers 2",
    "search": f"{SEARCH} --proxies entropy",
    "search, 3 workers": f"{SEARCH} --proxies entropy --workers 3",
    "finalists": "search --target jetson --space small --study s --trials 4 --proxies entropy "
    "--data digits --finalists 4",
    "train": "train squeezenet1_1 --data digits --output t",
    "search, cluster of 2 workers": f"{SEARCH} --proxies synflow --scheduler {{cluster}}",
    "measure": "measure --target mine --minutes 5",
    "compare": "compare --samplers random,evolution --seeds 2 --trials 5000 --target jetson "
    "--space small",
    "export": "export resnet18 --output a.onnx",
    "score": "score resnet18 --proxies synflow,zico,naswot",
}
RESULTS = Path(__file__).parent / "results" / "interrupt.json"
FIRST_MOMENTS, LAST_MOMENT = 0.3, 8.0  # seconds after the process began
HANG = 60


class Ended(NamedTuple):
    """How a run ended: signals, seconds after the last one, exit code, and what is wrong."""

    signals: int
    seconds: float
    code: int | None
    faults: tuple[str, ...]


def interrupted(words: str, after: float, signals: int, folder: Path) -> Ended:
    """Runs a command and interrupts it so many times."""
    if "{cluster}" in words:
        words = words.format(cluster=cluster())
    command = [sys.executable, "-m", "nas", *words.split()]
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"NAS_CONFIG": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after)
    for number in range(signals):
        if number:
            time.sleep(0.3)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
    began, faults = time.monotonic(), []
    try:
        _, err = child.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        faults.append("never ended")
        os.killpg(child.pid, signal.SIGKILL)
        _, err = child.communicate()
    seconds = time.monotonic() - began
    if "Traceback" in err:
        faults.append("traceback: " + err.strip().splitlines()[-1])
    time.sleep(1)
    if left := running(child.pid):
        faults.append(f"left {', '.join(left)}")
        os.killpg(child.pid, signal.SIGKILL)
    if "s" in Storage(str(folder / "studies")).names():
        Study.load("s", str(folder / "studies")).tally()  # whole
    return Ended(signals, seconds, child.returncode, tuple(faults))


@cache
def cluster() -> str:
    """The address of a cluster that serves as long as this program runs."""
    found = Cluster(Path(mkdtemp()))
    atexit.register(found.stop)
    for _ in range(2):
        found.worker()
    wait_for_workers(found.address, 2)
    return found.address


def running(group: int) -> list[str]:
    """The names of the processes of a group, but for those that wait to be reaped."""
    names = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, facts = stat.read_text().split("(", 1)[1].rsplit(")", 1)
            state, _, its_group = facts.split()[:3]
            if int(its_group) == group and state != "Z":
                names.append(name)
    return names


def known(path: Path) -> dict[str, Any]:
    """What was found before, by kind of run."""
    return dict(json.loads(path.read_text())["kinds"]) if path.exists() else {}


def main() -> None:
    """Prints a line for each kind of run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--kind", choices=KINDS, help="one kind alone")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--output", type=Path, default=RESULTS, help="what was found so far")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it for its jobs
    found = known(options.output)
    nothing: dict[str, Any] = {"times": 0, "once": 0.0, "thrice": 0.0, "codes": {}, "faults": []}
    for kind in [options.kind] if options.kind else KINDS:
        row = found.setdefault(kind, nothing | {"codes": {}, "faults": []})
        while row["times"] < options.times:
            n = row["times"]
            after = random.Random(f"{options.seed} {kind} {n}").uniform(FIRST_MOMENTS, LAST_MOMENT)
            with TemporaryDirectory() as folder:
                end = interrupted(KINDS[kind], after, 3 if n % 3 == 2 else 1, Path(folder))
            which = "once" if end.signals == 1 else "thrice"
            row["times"], row[which] = n + 1, max(row[which], round(end.seconds, 2))
            row["codes"][str(end.code)] = row["codes"].get(str(end.code), 0) + 1
            row["faults"] += end.faults
            made = {"version": __version__, "date": time.strftime("%Y-%m-%d"), "kinds": found}
            write_whole(options.output, json.dumps(made, indent=1) + "\n")
        print(
            f"  {kind}, {row['times']} times: ended at most {row['once']:.1f} s after one, "
            f"{row['thrice']:.1f} s after three; exit codes {row['codes']}; "
            f"faults: {'; '.join(row['faults']) or 'none'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
