"""What `kill_everything.py` kills: commands, and what each has stored for good at any moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from nas.costs import cost
from nas.latency import Target
from nas.latency.table import read_table
from nas.references import reference
from nas.space import SearchSpace
from nas.study import Driver, Study, begin
from nas.study.finalists import read_finalists
from nas.study.storage.storage import Storage
from nas.support.errors import NasError
from nas.training.checkpoint import read_state
from nas.training.trained import Trained, is_training

SEARCH = ["--target", "jetson", "--space", "small", "--proxies", "entropy,params"]
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
    command needs. exact: whether the end is that of a run that was left alone.
    """

    name: str
    words: Callable[[Path], list[str]]
    kept: Callable[[Path], Kept]
    prepare: Callable[[Path], None] = lambda folder: None
    exact: bool = True
    drivers: int = 1


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


def _search(name: str, location: str, drivers: int = 1) -> Case:
    def place(folder: Path) -> str:
        return location.format(folder=folder)

    def words(folder: Path) -> list[str]:
        with suppress(NasError):  # a database that was killed as it was made
            if "a" in Storage(place(folder)).names():
                return ["resume", "a", "--storage", place(folder)]
        return ["search", *SEARCH, "--trials", "60", "--study", "a", "--storage", place(folder)]

    return Case(
        name,
        words,
        lambda folder: trials(place(folder), "a"),
        exact=drivers == 1,
        drivers=drivers,
    )


def _network(folder: Path) -> None:
    space = SearchSpace.load("small").to_dict() | {"channels": 1, "classes": 10, "resolution": [12]}
    (folder / "arch.json").write_text(SearchSpace.from_dict(space).sample(1).to_json())


def _training(folder: Path) -> Kept:
    place = folder / "t"
    if not is_training(place):
        return {}
    state = read_state(place)
    if state.finished:
        Trained.load(place)
    epochs = {f"epoch {e.epoch}": [e.loss, e.validation_loss] for e in state.history}
    return epochs | (digest(place / "model.safetensors") if state.finished else {})


def _latencies(folder: Path) -> None:
    rows = [
        f"{name},{cost(reference(name, resolution=side)).macs / 1e8:.4g},{side}"
        for side in (160, 224)
        for name in KNOWN
    ]
    text = "\n".join(["network,latency_ms,resolution", *rows])
    (folder / "known.csv").write_text(text + "\n")


def _target(folder: Path) -> Kept:
    path = folder / "latency_tables" / "mine.yaml"
    if path.exists():
        Target.load(path)
    return digest(path)


def _compared(folder: Path) -> Kept:
    location = str(folder / "studies")
    found: Kept = {}
    for name in Storage(location).names():
        found |= trials(location, name)
    return found


def _finalists(folder: Path) -> Kept:
    location = str(folder / "studies")
    found = trials(location, "f")
    if found:
        for one in read_finalists(Study.load("f", location)):
            found[f"finalist {one.record.trial}"] = [one.accuracy, one.loss, one.epochs]
    return found


def _finalists_words(folder: Path) -> list[str]:
    if "f" in Storage(str(folder / "studies")).names():
        return ["resume", "f"]
    (folder / "r.yaml").write_text(yaml.safe_dump({"epochs": 2, "images": 512}))
    words = ["search", *SEARCH, "--trials", "10", "--study", "f", "--data", "digits"]
    return [*words, "--finalists", "2", "--recipe", "r.yaml", "--budget", "1M"]


def _measured(folder: Path) -> Kept:
    table = folder / "latency_tables" / "mine.csv"
    rows = read_table(table) if table.exists() else []
    return {f"row {json.dumps(row[:2], default=str)}": True for row in rows}


def _study(folder: Path) -> None:
    place = str(folder / "studies")
    Driver(begin("jetson", (), "small", name="a", storage=place, proxies=["params"])).run(5)


CASES = [
    _search("search, journal", "{folder}/studies"),
    _search("search, SQLite", "sqlite:///{folder}/nas.db"),
    _search("search, journal, two drivers", "{folder}/studies", 2),
    _search("search, SQLite, two drivers", "sqlite:///{folder}/nas.db", 2),
    Case(
        "train",
        lambda folder: ["train", "arch.json", "--data", "digits", "--output", "t", "--epochs", "4",
                        "--device", "cpu"],
        _training,
        _network,
    ),
    Case(
        "export",
        lambda folder: ["export", "a", "--output", "a.onnx"],
        lambda folder: digest(folder / "a.onnx"),
        _study,
    ),
    Case("calibrate", lambda folder: ["calibrate", "--target", "mine", "--from", "known.csv"],
         _target, _latencies),
    Case(
        "compare",
        lambda folder: ["compare", "--samplers", "random,evolution", "--seeds", "1", "--trials",
                        "20", *SEARCH[:4], "--proxies", "params"],
        _compared,
    ),
    Case("finalists", _finalists_words, _finalists),
    Case(
        "measure",
        lambda folder: ["measure", "--target", "mine", "--minutes", "0.2"],
        _measured,
        exact=False,
    ),
]  # fmt: skip
