"""The contract of a data reader."""

from __future__ import annotations

from pathlib import Path

from nas.data import READERS, DataSet, find_reader, load_data
from nas.support.errors import one_line
from nas.testing.claims import claim, faults


def check_reader(name: str, source: str | Path, seed: int = 0) -> None:
    """Checks a registered reader on a data set that it is for.

    It is the one that reads `source`, and gives a `DataSet`. Each of its classes has training
    images; the same seed gives the same data, and the data set's own `source` finds it again.
    Errors: `AssertionError`; `NasError` for a name that is not registered, or a source that is not
    there.
    """
    READERS[name]
    used = find_reader(source).name
    claim(used == name, f"data reader '{name}': {source} is read by '{used}'")
    data = _loaded(source, seed)
    who = f"data reader '{name}' on {source}"
    distinct = len(set(data.classes)) == len(data.classes) >= 2
    claim(distinct, f"{who}: needs two or more classes of different names, not {data.classes}")
    missing = set(range(len(data.classes))) - set(data.train.labels.tolist())
    claim(not missing, f"{who}: no training image of {[data.classes[i] for i in sorted(missing)]}")
    claim(data.seed == seed, f"{who}: its seed is {data.seed}, not {seed}")
    again = _loaded(source, seed)
    claim(again.checksum == data.checksum, f"{who}: a second reading gives other images")
    sent = _loaded(data.source, data.seed)
    claim(sent.checksum == data.checksum, f"{who}: its source {data.source!r} gives other images")


def _loaded(source: str | Path, seed: int) -> DataSet:
    with faults():
        try:
            return load_data(source, seed)
        except OSError as error:
            raise AssertionError(f"data set {source}: {one_line(error)}") from error
