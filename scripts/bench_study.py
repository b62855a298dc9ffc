"""What a trial costs besides its evaluation: asking, and appending to a journal of 2,000 trials.

    python scripts/bench_study.py

Prints medians in ms over the last 200 trials; the goal for persisting is at most 10 ms.
"""

from __future__ import annotations

from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import optuna

from nas.study import Driver, Study, begin

TRIALS = 2200
TAIL = 200


def timed(owner: type, name: str, seconds: list[float]) -> None:
    """Lets a method note how long each of its calls takes."""
    original = getattr(owner, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = perf_counter()
        result = original(self, *args, **kwargs)
        seconds.append(perf_counter() - start)
        return result

    setattr(owner, name, call)


def main() -> None:
    """Runs a study whose score needs no forward pass, so that its own work is what is seen."""
    ask: list[float] = []
    persist: list[float] = []
    timed(optuna.Study, "ask", ask)
    timed(optuna.Study, "add_trial", persist)
    with TemporaryDirectory() as folder:
        study = begin("jetson", ["300M"], storage=folder, trials=TRIALS, proxies=["entropy"])
        start = perf_counter()
        Driver(study).run(TRIALS)
        total = perf_counter() - start
        start = perf_counter()
        replayed = len(Study.load(study.name, folder).trials())
        load = perf_counter() - start
    print(f"trials: {replayed}, {replayed / total:.0f} per second with the analytic proxy alone")
    print(f"ask:     median {median(ask[-TAIL:]) * 1e3:.2f} ms")
    print(f"persist: median {median(persist[-TAIL:]) * 1e3:.2f} ms (goal: at most 10 ms)")
    print(f"load:    {load:.2f} s")


if __name__ == "__main__":
    main()
