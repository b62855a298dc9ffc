"""What `kill_everything.py` kills: commands, and what each has stored for good at any moment."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import begun
import stores
from kill_others import OneCluster, kill_worker, restart_server
from parents import trained_parent
from tiny import TINY

from nas.auto.result import WORK
from nas.costs import cost
from nas.latency import Target
from nas.latency.table import read_table
from nas.references import reference
from nas.space import SearchSpace
from nas.study import Driver, Study, begin
from nas.study.finalists import read_finalists
from nas.study.rounds import trained as learned
from nas.study.storage.storage import Storage
from nas.support.errors import NasError
from nas.training.checkpoint import WEIGHTS, is_training, read_state
from nas.training.trained import Trained

SPACE = "tiny.yaml"
TABLES = "tables"
SEARCH = ["--target", "jetson", "--space", SPACE]
TRIALS = 20
KNOWN = (
    "mobilenet_v1_100",
    "mobilenet_v2_100",
    "mobilenet_v3_small_100",
    "squeezenet1_1",
    "resnet18",
)
# What is stored, by a name that says what it is; what is there once is there for ever.
Kept = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A command, so many `drivers` of it at once, that begins its work or goes on with it.

    kept: all that a folder holds for good; an error where it is damaged. prepare: makes what the
    command needs, once; begin: in each folder that it runs in. exact: whether the end is that of a
    run that was left alone. others: what else may be killed while it runs; whether there was any to
    be. on_disk: whether it stores in files. fork: whether it may run in a fork (see `kill_runs`),
    which one that begins processes may not. share: of the goals, where it takes long.
    """

    name: str
    words: Callable[[Path], list[str]]
    kept: Callable[[Path], Kept]
    prepare: Callable[[Path], object] = lambda folder: None
    begin: Callable[[Path], object] = lambda folder: None
    exact: bool = True
    drivers: int = 1
    others: Mapping[str, Callable[[random.Random], bool]] = field(default_factory=dict)
    on_disk: bool = True
    fork: bool = True
    share: float = 1.0


def trials(location: str, name: str) -> Kept:
    """Each trial of a study, if there is one, but for the time it took."""
    storage = Storage(location)
    if name not in storage.names():
        return {}
    found = Study.load(name, location).trials()
    assert [t.number for t in found] == list(range(len(found))), "a trial is missing"
    hashes = [t.user_attrs["hash"] for t in found]
    assert len({*hashes}) == len(hashes), "a network is there twice"
    return {f"{name} {t.number}": [h, t.values] for t, h in zip(found, hashes, strict=True)}


def digest(path: Path) -> Kept:
    """A file that appears whole or not at all."""
    return {path.name: sha256(path.read_bytes()).hexdigest()} if path.exists() else {}


def _journal(folder: Path) -> str:
    return str(folder / "studies")


def _sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'nas.db'}"


@cache
def _postgresql(folder: Path) -> str:
    """A database of the folder's own."""
    return stores.place("postgresql", folder)


def _space(folder: Path) -> None:
    (folder / SPACE).write_text(yaml.safe_dump(TINY))


def _search(
    name: str,
    place: Callable[[Path], str],
    drivers: int = 1,
    options: Callable[[], list[str]] = list,
    others: Mapping[str, Callable[[random.Random], bool]] | None = None,
    **more: bool,
) -> Case:
    """A search that is begun, or gone on with, in that storage by so many drivers at once. It is by
    predicted accuracy where one process does it, and by a proxy where workers have to."""

    def there(folder: Path) -> bool:
        with suppress(NasError):  # a database that was killed as it was made
            return "a" in Storage(place(folder)).names()
        return False

    def made(folder: Path) -> object:
        space = str(folder / SPACE)
        return begin("jetson", (), space, name="a", storage=place(folder), trials=TRIALS)

    def words(folder: Path) -> list[str]:
        where = ["--storage", place(folder), *options()]
        if there(folder):
            return ["resume", "a", *where]
        by = ["--proxies", "entropy"] if options is not list else []
        return ["search", *SEARCH, *by, "--trials", str(TRIALS), "--study", "a", *where]

    return Case(
        name,
        words,
        lambda folder: trials(place(folder), "a"),
        _space,
        made if drivers > 1 else lambda folder: None,  # only one of them can begin it
        exact=drivers == 1 and not others,
        drivers=drivers,
        others=others or {},
        fork=options is list,
        **more,
    )


CLUSTER = OneCluster()


def _network(folder: Path) -> None:
    space = SearchSpace.load("small").to_dict() | {"channels": 1, "classes": 10, "resolution": [12]}
    (folder / "arch.json").write_text(SearchSpace.from_dict(space).sample(1).to_json())


def _training(place: Path) -> Kept:
    if not is_training(place):
        return {}
    state = read_state(place)
    if state.finished:
        Trained.load(place)
    name = place.name
    epochs = {f"{name} {e.epoch}": [e.loss, e.validation_loss] for e in state.history}
    whole = {f"{name} whole": digest(place / WEIGHTS)} if state.finished else {}
    return epochs | whole


def _latencies(folder: Path) -> None:
    rows = [
        f"{name},{cost(reference(name, resolution=side)).macs / 1e8:.4g},{side}"
        for side in (160, 224)
        for name in KNOWN
    ]
    text = "\n".join(["network,latency_ms,resolution", *rows])
    (folder / "known.csv").write_text(text + "\n")


def _target(folder: Path) -> Kept:
    path = folder / TABLES / "mine.yaml"
    if path.exists():
        Target.load(path)
    return digest(path)


def _compared(folder: Path) -> Kept:
    location = str(folder / "studies")
    found: Kept = {}
    for name in Storage(location).names():
        found |= trials(location, name)
    return found


def _finalists(location: Path, name: str = "f") -> Kept:
    found = trials(str(location), name)
    if found:
        for one in read_finalists(Study.load(name, str(location))):
            found[f"finalist {one.record.trial}"] = [one.accuracy, one.loss, one.epochs]
    return found


def _brief(folder: Path) -> None:
    _space(folder)
    (folder / "r.yaml").write_text(yaml.safe_dump({"epochs": 2, "images": 256}))


def _training_search(*options: str) -> Callable[[Path], list[str]]:
    """The words of a search that trains networks, or of going on with it."""
    search = ["search", *SEARCH, "--trials", "8", "--study", "f", "--data", "digits"]

    def words(folder: Path) -> list[str]:
        there = "f" in Storage(str(folder / "studies")).names()
        return ["resume", "f"] if there else [*search, "--recipe", "r.yaml", *options]

    return words


def _rounds(location: Path, name: str) -> Kept:
    """What a study that learns has stored: its values change as it does, its networks do not."""
    found = {key: value[:1] for key, value in trials(str(location), name).items()}
    if found:
        for trial, one in learned(Study.load(name, str(location))).items():
            found[f"learned from {trial}"] = [one.accuracy] if one.complete else []
    return found


def _result(folder: Path) -> Kept:
    """What `nas auto` has stored."""
    work = folder / "result" / WORK
    studies = work / "studies"
    found = _finalists(studies, "search") | _rounds(studies, "search")
    found |= _training(work / "by-hand") | _training(work / "final")
    return found | digest(folder / "result" / WEIGHTS)


def _measured(folder: Path) -> Kept:
    table = folder / TABLES / "mine.csv"
    rows = read_table(table) if table.exists() else []
    return {f"row {json.dumps(row[:2], default=str)}": True for row in rows}


def _study(folder: Path) -> None:
    _space(folder)
    Driver(begin("jetson", (), str(folder / SPACE), name="a", storage=str(folder / "studies"))).run(
        5
    )


CASES = [
    _search("search, journal", _journal),
    _search("search, SQLite", _sqlite),
    _search("search, PostgreSQL", _postgresql, on_disk=False),
    _search("search, journal, two drivers", _journal, 2),
    _search("search, SQLite, two drivers", _sqlite, 2),
    _search("search, PostgreSQL, two drivers", _postgresql, 2, on_disk=False,
            others={"server restarted": restart_server}),
    _search("search, two workers", _journal, options=lambda: ["--workers", "2"],
            others={"worker killed": kill_worker}),
    _search("search, cluster of two workers", _journal, options=CLUSTER.options,
            others={"worker killed": CLUSTER.kill_worker, "scheduler killed": CLUSTER.stop}),
    Case(
        "train",
        lambda folder: ["train", "arch.json", "--data", "digits", "--output", "t", "--epochs", "4",
                        "--device", "cpu"],
        lambda folder: _training(folder / "t"),
        _network,
    ),
    Case(
        "export",
        lambda folder: ["export", "a", "--output", "a.onnx"],
        lambda folder: digest(folder / "a.onnx"),
        _study,
    ),
    Case(
        "calibrate",
        lambda folder: ["calibrate", "--target", "mine", "--from", "known.csv", "--folder", TABLES],
        _target,
        _latencies,
    ),
    Case(
        "compare",
        lambda folder: ["compare", "--samplers", "random,evolution", "--seeds", "1", "--trials",
                        "8", *SEARCH],
        _compared,
        _space,
    ),
    Case("finalists", _training_search("--finalists", "2"),
         lambda folder: _finalists(folder / "studies"), _brief),
    Case("search --learn", _training_search("--learn", "6"),
         lambda folder: _rounds(folder / "studies", "f"), _brief),
    Case(
        "prune",
        lambda folder: ["prune", "net", "--data", "digits", "--budget", "0.35MFLOPs", "--trials",
                        "8", "--finalists", "2", "--epochs", "2", "--study", "f", "-o", "small"],
        lambda folder: _finalists(folder / "studies") | _training(folder / "small"),
        lambda folder: trained_parent(folder / "net"),
    ),
    Case("auto", begun.words, _result, begin=begun.begun),
    Case(
        "measure",
        lambda folder: ["measure", "--target", "mine", "--minutes", "0.02", "--folder", TABLES],
        _measured,
        exact=False,
        share=0.1,
    ),
]  # fmt: skip
