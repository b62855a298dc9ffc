"""Every reader, with every kind of wrong value at every place: it is one line, or it is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tiny import TINY

from fuzz.bad_input import settings_of_a_study
from fuzz.mutations import WRONG, _places
from fuzz.samples import (
    APPROVALS,
    CONFIG,
    FACTS,
    LATENCIES,
    RECIPE,
    TRAINING,
    dump,
    shipped_yaml,
    table_rows,
    to_csv,
)
from nas.approvals import approvals
from nas.cli.config import read_config
from nas.cli.search import search
from nas.latency.latencies import read_latencies
from nas.latency.measuring.transfer import Facts
from nas.latency.metadata import read_metadata
from nas.latency.table import read_table
from nas.networks import read_network
from nas.space import SearchSpace
from nas.study.settings import read_settings
from nas.support.errors import NasError
from nas.support.validation import validated
from nas.training import Recipe
from nas.training.checkpoint import read_state


class Reader(NamedTuple):
    file: str
    base: Any  # or what makes it
    dump: Callable[[Any], str]
    read: Callable[[Path], object]


# Its fit, a quarter of a megabyte that would be written a thousand times, is read with the target.
TARGET = {
    **shipped_yaml("latency_tables", "jetson-agx-xavier"),
    "name": "mine",
    "aliases": [],
    "fit": "{}",
}
NETWORK = SearchSpace.from_dict(TINY).sample(0).to_dict()


def settings() -> Any:
    """Those of a study: twenty families are alike, and spaces are read by themselves."""
    found = settings_of_a_study()
    return {**found, "space": TINY, "families": dict(islice(found["families"].items(), 1))}


READERS = (
    Reader("space.yaml", TINY, dump, SearchSpace.load),
    Reader("network.json", NETWORK, json.dumps, read_network),
    Reader("recipe.yaml", RECIPE, dump, Recipe.load),
    Reader(
        "config.yaml", {**CONFIG, "space": "small"}, dump,
        lambda path: read_config(path, search),
    ),
    Reader("mine.yaml", TARGET, dump, read_metadata),
    Reader("table.csv", table_rows(2), to_csv, read_table),
    Reader("latencies.csv", LATENCIES, to_csv, read_latencies),
    Reader(
        "facts.json", FACTS, json.dumps, lambda path: validated(Facts, path.read_text(), "facts")
    ),
    Reader("training.json", TRAINING, json.dumps, lambda path: read_state(path.parent)),
    Reader(
        "settings.json", settings, json.dumps,
        lambda path: read_settings(path.read_text(), "study"),
    ),
    Reader("plugins.json", APPROVALS, json.dumps, lambda path: approvals()),
)  # fmt: skip


def wrong(base: Any) -> Iterator[Any]:
    root = [deepcopy(base)]
    for holder, key in list(_places(root)):
        before = holder[key]
        for value in WRONG:
            holder[key] = value
            yield root[0]
        holder[key] = before


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.file)
def test_a_wrong_value_anywhere_is_one_line(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAS_CONFIG", str(tmp_path))
    path = tmp_path / reader.file
    base = reader.base() if callable(reader.base) else reader.base
    path.write_text(reader.dump(base), encoding="utf-8")
    reader.read(path)
    refused = 0
    for data in wrong(base):
        path.write_bytes(reader.dump(data).encode("utf-8", "surrogatepass"))
        try:
            reader.read(path)
        except NasError as error:
            refused += 1
            assert len(str(error).splitlines()) == 1, data
    assert refused
