"""Several drivers of one study, in each kind of storage: nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from stores import KINDS, place

from nas.study import Driver, Study, begin
from nas.study.storage.storage import Storage
from nas.support.errors import NasError

CHILD = """
import sys
from nas.study import Driver, Study
study = Study.load("s", sys.argv[1])
def report(progress):
    if progress.phase == "search":
        print(progress.best.trial, flush=True)
Driver(study, report=report).run(int(sys.argv[2]))
"""


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return place(request.param, tmp_path)


def start(storage: str, name: str = "s", **options: Any) -> Study:
    settings = {"proxies": ["entropy"], "seed": 1, **options}
    return begin("jetson", ["20M"], "small", storage=storage, name=name, **settings)


def drive(storage: str, goal: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, storage, str(goal)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.params, t.values, t.user_attrs["hash"]) for t in study.trials()]


def test_two_drivers_share_a_study(storage: str) -> None:
    goal = 30
    start(storage, proxies=[])  # predicted accuracy: its processes need no torch
    drivers = [drive(storage, goal) for _ in range(2)]
    for driver in drivers:
        _, err = driver.communicate(timeout=300)
        assert (driver.returncode, err) == (0, "")
    study = Study.load("s", storage)
    trials = study.trials()
    assert goal <= len(trials) <= goal + 2
    assert [t.number for t in trials] == list(range(len(trials)))
    assert len({t.user_attrs["hash"] for t in trials}) == len(trials)


def test_two_drivers_see_each_others_trials_and_draw_differently(storage: str) -> None:
    """One inside the other: the inner finishes between the outer's asking and storing."""
    study = start(storage)
    first = len(study.settings.families) + 3  # the hand-scaled ones are the same for all
    inner: list[Any] = []

    def second(progress: Any) -> None:
        if progress.phase == "search" and progress.trials == first:
            other = Driver(Study.load("s", storage), report=inner.append)
            assert other.run(first + 5) == "finished"

    assert Driver(study, report=second).run(first + 9) == "finished"
    assert [p.trials - first for p in inner if p.phase == "search"] == [1, 2, 3, 4, 5]
    alone = start(storage, "alone")
    Driver(alone).run(first + 9)
    mixed, own = rows(study), rows(alone)
    assert len(mixed) == first + 9
    assert mixed[:first] == own[:first]
    assert {row[3] for row in mixed[first : first + 5]}.isdisjoint(row[3] for row in own)


def test_a_network_that_another_driver_stored_meanwhile_is_dropped(tmp_path: Path) -> None:
    from nas.proxies import evaluate
    from nas.study.workers.executors import InlineExecutor

    study = start(str(tmp_path))
    Driver(study).run(1)

    class Beaten(InlineExecutor):
        """Lets another driver with the same random numbers store the very network first."""

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            if fn is evaluate and len(study.trials()) == 1:
                twin = Study.load("s", str(tmp_path))
                os.rename(tmp_path / ".s.driver0", tmp_path / "held")
                assert Driver(twin).run(2) == "finished"
                os.rename(tmp_path / "held", tmp_path / ".s.driver0")
            return super().submit(fn, *args, **kwargs)

    assert Driver(study, Beaten()).run(4) == "finished"
    hashes = [t.user_attrs["hash"] for t in study.trials()]
    assert len(hashes) == len(set(hashes)) == 4


def test_one_driver_goes_on_from_two_as_if_uninterrupted(storage: str) -> None:
    study = start(storage)

    def second(progress: Any) -> None:
        if progress.phase == "search" and progress.trials == 3:
            Driver(Study.load("s", storage)).run(6)

    Driver(study, report=second).run(10)
    copy = start(storage, "copy")
    for key, value in study.log.attributes().items():
        copy.log.set_attribute(key, value)
    copy.optuna.add_trials(study.trials())
    Driver(Study.load("s", storage)).run(70)
    for goal in (11, 52, 70):
        Driver(Study.load("copy", storage)).run(goal)
    assert rows(study) == rows(copy)


def test_a_driver_that_was_killed_leaves_its_number_to_the_next(storage: str) -> None:
    start(storage, proxies=[])
    driver = drive(storage, 10**6)
    assert driver.stdout is not None
    driver.stdout.readline()
    place = Storage(storage)
    with place.driven("s") as (claim, _):
        assert claim.number == 1
    driver.kill()
    driver.communicate()
    for _ in range(100):  # a database server notices it a moment later
        with place.driven("s") as (claim, _):
            if claim.number == 0:
                break
        time.sleep(0.1)
    assert claim.number == 0


def test_a_study_is_let_be_while_its_second_driver_goes_on_alone(
    storage: str, tmp_path: Path
) -> None:
    for name in ("s", "other", "s.driver0"):
        start(storage, name)
    place = Storage(storage)
    with ExitStack() as second:
        with place.driven("s"):
            second.enter_context(Storage(storage).driven("s"))
        place.remove("other")  # which nobody drives
        with pytest.raises(NasError, match="is being searched"):
            place.remove("s")
        with pytest.raises(NasError, match="is being searched"):
            place.rename("s", "new")
    with place.driven("s.driver0") as first:
        place.rename("s", "new")  # whose locks are not those of `s.driver0`
        with Storage(storage).driven("s.driver0") as other:
            assert {first.claim.number, other.claim.number} == {0, 1}
    place.remove("s.driver0")
    assert place.names() == ["new"]
    left = [*tmp_path.rglob(".*.lock"), *tmp_path.rglob(".*.driver*")]
    assert left == []


def test_the_dashboard_shows_a_study(storage: str, tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs the extra 'dashboard'")
    study = start(storage)
    Driver(study).run(5)
    opened = storage if "://" in storage else f"{storage}/s.journal"
    code = "from optuna_dashboard._cli import main; main()"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-c", code, opened, "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(words, stderr=log) as dashboard:
        try:
            while True:
                assert dashboard.poll() is None, (tmp_path / "log").read_text()
                with suppress(URLError):
                    studies = read(f"http://127.0.0.1:{port}/api/studies")["study_summaries"]
                    break
                time.sleep(0.2)
            assert [s["study_name"] for s in studies] == ["s"]
            api = f"http://127.0.0.1:{port}/api/studies/{studies[0]['study_id']}?after=0"
            detail = read(api)
        finally:
            dashboard.kill()
    assert [t["number"] for t in detail["trials"]] == list(range(5))
    assert detail["directions"] == ["maximize", "minimize"]
    before = len(study.trials())
    Driver(Study.load("s", storage)).run(before + 1)
    assert len(Study.load("s", storage).trials()) == before + 1


def read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def test_a_database_that_is_not_there_is_one_clear_error() -> None:
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    with pytest.raises(NasError, match=r"storage 'postgresql://nobody@.*' cannot be opened"):
        Storage("postgresql://nobody@127.0.0.1:1/nas").names()
