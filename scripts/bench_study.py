"""What a search costs besides its proxies, and what a second worker brings.

    python scripts/bench_study.py analytic --trials 20000   # of proxies that run no network
    python scripts/bench_study.py share --trials 100        # of its CPU time, inside proxies
    python scripts/bench_study.py workers --trials 60       # candidates/s of two against one
    python scripts/bench_study.py commands --trials 50000   # CPU and memory of each on such a study
        [--storage sqlite:///FILE] [--proxies]

Run them on a quiet machine. `workers` takes turns between one worker and two, and prints the ratio
of their medians, and also which part of the time the workers were evaluating: where other programs
want the cores too, twice that part is the ratio to expect of free ones.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import wait
from datetime import datetime
from hashlib import sha256
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from optuna.trial import create_trial

import nas.proxies.scoring as scoring_module
from nas._version import __version__
from nas.proxies import evaluate
from nas.study import Driver, SearchProgress, Study, begin
from nas.study.samplers.history import History
from nas.study.storage.journal_log import JournalLog
from nas.study.stored import TRIAL
from nas.study.workers.open import open_executor

MEASURE = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(code)
"""
TAIL = 200
ROUNDS = 3
SCORES = {"width": 4.0, "params": 1e6}


def timed(owner: Any, name: str, seconds: list[float], clock: Callable[[], float]) -> None:
    """Lets a function note how long each of its calls takes."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        start = clock()
        try:
            return original(*args, **kwargs)
        finally:
            seconds.append(clock() - start)

    setattr(owner, name, call)


def start(folder: str, trials: int, name: str = "bench", **options: Any) -> Study:
    return begin("jetson", ["300M"], storage=folder, name=name, trials=trials, **options)


def megabytes() -> float:
    """The most memory that this process has used."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def analytic(trials: int, sampler: str) -> None:
    """Many trials whose scores cost next to nothing, so that the rest is what is seen."""
    ask: list[float] = []
    persist: list[float] = []
    timed(History, "ask", ask, time.process_time)
    timed(JournalLog, "add", persist, time.process_time)
    used: dict[int, float] = {}

    def report(progress: SearchProgress) -> None:
        if progress.phase == "search" and progress.trials % 1000 == 0:
            used[progress.trials] = megabytes()

    with TemporaryDirectory() as folder:
        study = start(folder, trials, sampler=sampler, proxies=["width", "params"])
        wall, cpu = time.perf_counter(), time.process_time()
        Driver(study, report=report).run(trials)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        loading = time.process_time()
        again = Study.load(study.name, folder)
        Driver(again).run(trials)
        loading = time.process_time() - loading
        journal = again.storage.journal(again.name)
        size = journal.stat().st_size if journal else 0
    print(f"{sampler}: {trials} trials in {cpu:.0f} s of CPU, {wall:.0f} s in all")
    print(
        f"  ask {1e3 * median(ask[-TAIL:]):.2f} ms, persist {1e3 * median(persist[-TAIL:]):.2f} ms"
    )
    print(f"  replayed in {loading:.1f} s of CPU; journal {size / trials / 1e3:.1f} kB a trial")
    if len(used) > 1:
        (low, least), *_, (high, most) = used.items()
        print(f"  memory {1e3 * (most - least) / (high - low):.1f} kB a trial")


def share(trials: int) -> None:
    """The part of a search's CPU time that its proxies take."""
    inside: list[float] = []
    timed(scoring_module, "evaluate", inside, time.process_time)
    with TemporaryDirectory() as folder:
        study = start(folder, trials)
        cpu = time.process_time()
        Driver(study).run(trials)
        cpu = time.process_time() - cpu
    print(f"{sum(inside) / cpu:.1%} of {cpu:.1f} s of CPU inside proxies, {trials} trials")


def clocked(*args: Any) -> dict[str, float]:
    """`evaluate` with the seconds that it took, as if they were a proxy's."""
    began = time.perf_counter()
    scores = evaluate(*args)
    return {**scores, "clock": time.perf_counter() - began}


def workers(trials: int) -> None:
    """One worker and two, by turns."""
    setattr(scoring_module, "evaluate", clocked)  # noqa: B010
    rates: dict[int, list[float]] = {1: [], 2: []}
    busy: dict[int, list[float]] = {1: [], 2: []}
    with TemporaryDirectory() as folder:
        first = start(folder, trials)
        Driver(first).run(1)
        for turn in range(ROUNDS):
            for count in rates:
                last: list[SearchProgress] = []
                study = start(folder, trials, f"{count}-{turn}")
                study.set_reference(first.sample.scores, first.sample.assignments)
                with open_executor(count) as (executor, slots):
                    arch, proxies = first.record().arch, study.settings.proxies
                    wait([executor.submit(clocked, arch, proxies) for _ in range(4 * count)])
                    Driver(study, executor, slots, last.append).run(trials)
                rate = last[-1].per_second
                spent = sum(record.scores["clock"] for record in study.records())
                rates[count].append(rate)
                busy[count].append(spent * rate / trials / count)
    for count in rates:
        print(
            f"workers {count}: {median(rates[count]):.2f} candidates/s, "
            f"evaluating {median(busy[count]):.1%} of the time"
        )
    print(f"ratio {median(rates[2]) / median(rates[1]):.2f}")


def fill(study: Study, trials: int) -> None:
    """Stores trials as if they had been scored: of some networks, and then of none that exist,
    each worse than one of those."""
    rng, real = np.random.default_rng(0), 1000
    distinct = [study.candidates.feasible({}, rng) for _ in range(real)]
    networks = [network for network in distinct if network]
    many: list[dict[str, Any]] = []
    for number in range(trials):
        network = networks[number % len(networks)]
        score = -1.0 - (number % len(networks)) / 7 - number // len(networks)
        scored = {"predicted_accuracy": [score] * 3} if study.predicts else {"scores": SCORES}
        facts = study.facts(network, [score, network.latency.ms], scored)
        if number >= len(networks):
            facts["hash"] = sha256(str(number).encode()).hexdigest()
        many.append(facts)
    if study.storage.url:
        insert(study, many)
        return
    for facts in many:
        study.log.add(create_trial(values=facts["values"], user_attrs={TRIAL: facts}))


def insert(study: Study, many: list[dict[str, Any]]) -> None:
    """Stores trials in a database at once: one by one it takes Optuna 10 ms each."""
    from sqlalchemy import create_engine, text

    assert study.storage.url is not None
    with create_engine(study.storage.url).begin() as connection:
        last = connection.execute(text("SELECT study_id, trial_id, number FROM trials")).all()[-1]
        at = {"study": last.study_id, "now": datetime.now()}
        rows = [
            {
                **at,
                "trial": last.trial_id + i,
                "number": last.number + i,
                "facts": json.dumps(facts),
            }
            for i, facts in enumerate(many, 1)
        ]
        values = [
            {"trial": row["trial"], "objective": i, "value": value}
            for row, facts in zip(rows, many, strict=True)
            for i, value in enumerate(facts["values"])
        ]
        connection.execute(
            text(
                "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, "
                "datetime_complete) VALUES (:trial, :number, :study, 'COMPLETE', :now, :now)"
            ),
            rows,
        )
        connection.execute(
            text(
                "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
                f"VALUES (:trial, '{TRIAL}', :facts)"
            ),
            rows,
        )
        connection.execute(
            text(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                "VALUES (:trial, :objective, :value, 'FINITE')"
            ),
            values,
        )


def commands(trials: int, storage: str | None, proxies: list[str] | None) -> None:
    """The CPU time and the peak of memory of the commands that read a study of many trials."""
    with TemporaryDirectory() as folder:
        where = storage or folder
        study = start(where, trials, proxies=proxies)
        Driver(study).run(1)
        fill(study, trials - 1)
        journal = study.storage.journal(study.name)
        size = f", {journal.stat().st_size / trials / 1e3:.2f} kB a trial" if journal else ""
        kind = "journal" if journal else "database"
        scored = f"scored by {', '.join(proxies)}" if proxies else "by predicted accuracy"
        print(f"hw-nas {__version__}: {trials} trials {scored} in a {kind}{size}")
        for words in ("show bench", "studies", "compare bench", "resume bench --trials 1"):
            command = [sys.executable, "-m", "nas", *words.split(), "--storage", where]
            seconds, peak = measured(command)
            print(f"  nas {words}: {seconds:.1f} s of CPU, {peak:.0f} MB")


def measured(command: list[str]) -> tuple[float, float]:
    """The seconds of CPU and the peak of memory (MB) of a command.

    A small process begins it: a process counts as its own what the one that it was forked from had.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command} failed: {done.stderr}")
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["analytic", "share", "workers", "commands"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--sampler", default="nsga2")
    parser.add_argument("--storage", help="of the commands' study, instead of a journal")
    parser.add_argument("--proxies", action="store_true", help="score the commands' study by some")
    options = parser.parse_args()
    if options.what == "analytic":
        analytic(options.trials, options.sampler)
    elif options.what == "share":
        share(options.trials)
    elif options.what == "commands":
        commands(options.trials, options.storage, list(SCORES) if options.proxies else None)
    else:
        workers(options.trials)


if __name__ == "__main__":
    main()
