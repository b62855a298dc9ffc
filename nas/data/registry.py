"""The registry of data set readers.

    @reader("digits")
    def read_digits(source: str, seed: int) -> DataSet: ...

A reader is found by one of the `names` that it knows, or because it `accepts` a path.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nas.data.dataset import DataSet
from nas.support.errors import NasError, one_of
from nas.support.registry import Registry

Read = Callable[[str, int], DataSet]


def _nothing(path: Path) -> bool:
    return False


class Reader(NamedTuple):
    """A registered reader: `read(source, seed)`, the seed being that of a split."""

    name: str
    read: Read
    names: tuple[str, ...]
    accepts: Callable[[Path], bool]
    takes: str


READERS: Registry[Reader] = Registry("data reader")


def reader(
    name: str,
    *,
    names: tuple[str, ...] = (),
    accepts: Callable[[Path], bool] = _nothing,
    takes: str = "",
) -> Callable[[Read], Read]:
    """Registers a reader; `takes` says in words which folders it accepts."""

    def register(function: Read) -> Read:
        entry = Reader(name, function, names, accepts, takes)
        READERS.register(name, entry, function.__module__)
        return function

    return register


def find_reader(source: str | Path) -> Reader:
    """The reader of a data set given by its name (`digits`) or by the path of its folder.

    Errors: `NasError` with the path and what is expected there.
    """
    text = str(source)
    for found in READERS.values():
        if text in found.names:
            return found
    path = Path(text)
    known = [name for found in READERS.values() for name in found.names]
    if not path.exists():
        if path.name == text:
            raise one_of("data set or folder", text, known)
        raise NasError(f"data set {text}: no such folder")
    if not path.is_dir():
        raise NasError(f"data set {text}: must be a folder, not a file")
    for found in READERS.values():
        if found.accepts(path):
            return found
    takes = "; or ".join(found.takes for found in READERS.values() if found.takes)
    raise NasError(f"data set {text}: must hold {takes}")


def load_data(source: str | Path, seed: int = 0) -> DataSet:
    """A data set by its name or the path of its folder; see `find_reader`.

    `seed` splits off the validation images where the data set has none of its own.
    """
    return find_reader(source).read(str(source), seed)
