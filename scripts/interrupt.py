"""Interrupts commands at random moments by real signals, and says how each of them ended.

    python scripts/interrupt.py --times 30

Each kind of run gets Ctrl-C (SIGINT to the whole group, as a terminal sends it) at a random moment,
and every third of them a second one soon afterwards and a third. After one it must have ended
within 5 s, after two within 1 s (both on a machine that is not busy), without a traceback and with
no process left. What a study held before is there afterwards.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from nas._version import __version__
from nas.study import Study
from nas.study.storage.storage import Storage

SEARCH = "search --target jetson --budget 20M --space small --study s --trials 100000"
KINDS = {
    "reference sample": f"{SEARCH} --proxies synflow,zico",
    "reference sample, 2 workers": f"{SEARCH} --proxies synflow,zico --workers 2",
    "search": f"{SEARCH} --proxies entropy",
    "search, 3 workers": f"{SEARCH} --proxies entropy --workers 3",
    "finalists": "search --target jetson --space small --study s --trials 4 --proxies entropy "
    "--data digits --finalists 4",
    "train": "train squeezenet1_1 --data digits --output t",
}
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
    command = [sys.executable, "-m", "nas", *words.split()]
    child = subprocess.Popen(
        command,
        cwd=folder,
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


def main() -> None:
    """Prints a line for each kind of run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--kind", choices=KINDS, help="one kind alone")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it for its jobs
    rng = random.Random(options.seed)
    print(f"hw-nas {__version__}: Ctrl-C at {options.times} random moments each")
    for kind in [options.kind] if options.kind else KINDS:
        ends = []
        for n in range(options.times):
            with TemporaryDirectory() as folder:
                after = rng.uniform(FIRST_MOMENTS, LAST_MOMENT)
                ends.append(interrupted(KINDS[kind], after, 3 if n % 3 == 2 else 1, Path(folder)))
        once = max((e.seconds for e in ends if e.signals == 1), default=0.0)
        more = max((e.seconds for e in ends if e.signals > 1), default=0.0)
        faults = sorted({fault for end in ends for fault in end.faults})
        codes = sorted({str(end.code) for end in ends})
        print(
            f"  {kind}: ended at most {once:.1f} s after one, {more:.1f} s after three; "
            f"exit codes {', '.join(codes)}; faults: {'; '.join(faults) or 'none'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
