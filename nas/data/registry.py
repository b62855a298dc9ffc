"""The registry of data set readers.

    @reader("digits")
    def read_digits(source: str, seed: int) -> DataSet: ...

A reader is found by one of the `names` that it knows, or because it `accepts` a path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas.data.dataset import DataSet, split
from nas.data.findings import shown_path
from nas.data.options import DataOptions
from nas.data.unread import what_instead
from nas.support.errors import NasError, check_type, mistakes_of, one_of, shown
from nas.support.files import at_home
from nas.support.registry import Registry

Read = Callable[..., DataSet]
TEST_SEED = 1  # of what is set aside as a test: the same whatever the seed of a training


def _nothing(path: Path) -> bool:
    return False


class Reader(NamedTuple):
    """A registered reader: `read(source, seed)`, where the seed is that of a split.

    names: the data sets that it finds by name. accepts: whether a path, a file's or a folder's, is
    for it. takes: which folders these are, in words. options: whether it takes `DataOptions` as a
    third argument.
    """

    name: str
    read: Read
    names: tuple[str, ...]
    accepts: Callable[[Path], bool]
    takes: str
    options: bool = False


READERS: Registry[Reader] = Registry("data reader")


def reader(
    name: str,
    *,
    names: tuple[str, ...] = (),
    accepts: Callable[[Path], bool] = _nothing,
    takes: str = "",
    options: bool = False,
) -> Callable[[Read], Read]:
    """Registers a function that reads data sets under `name`; see `Reader`.

    Errors: `NasError` where the name is taken.
    """

    def register(function: Read) -> Read:
        entry = Reader(name, function, names, accepts, takes, options)
        READERS.register(name, entry, function.__module__)
        return function

    return register


def find_reader(source: str | Path) -> Reader:
    """The reader of a data set given by its name (`digits`) or by its path.

    Errors: `NasError` with the path and what is expected there.
    """
    text = str(source)
    for entry in READERS.values():
        if text in entry.names:
            return entry
    path = Path(text)
    where = shown_path(path, Path())
    if not os.path.exists(path):  # False too for what cannot be a path
        if path.name == text:
            raise one_of("data set or folder", where, _names())
        raise NasError(f"data set {where}: no such folder")
    for entry in READERS.values():
        with mistakes_of(f"data set {shown}: reader '{entry.name}'", entry.accepts):
            accepted = entry.accepts(path)
        if accepted:
            return entry
    if instead := what_instead(path):
        raise NasError(f"data set {where}: {instead}")
    if not path.is_dir():
        raise NasError(f"data set {where}: must be a folder, a CSV of labels or an .npz file")
    takes = "; or ".join(entry.takes for entry in READERS.values() if entry.takes)
    raise NasError(f"data set {where}: must hold {takes}")


def check_read_again(data: DataSet) -> None:
    """Checks that a reader finds a data set by its source: what is stored names data by it.

    Errors: `NasError`, for one of a program's own arrays with how to keep it.
    """
    try:
        find_reader(data.source)
    except NasError:
        if os.path.isabs(data.source):
            raise
        raise NasError(
            f"data set {shown(data.source)} was made in memory, so that nothing could read it "
            'again: np.savez("mine.npz", train_images=…, train_labels=…), perhaps val_ and test_ '
            'too, images (N, H, W, 3) or (N, H, W) of uint8; then give "mine.npz"'
        ) from None


def load_data(source: str | Path, seed: int = 0, options: DataOptions | None = None) -> DataSet:
    """A data set by its name or its path; see `find_reader`.

    `seed` splits off the validation images where the data set has none of its own. The data set's
    source is an absolute path, so that it is found from any working directory. Errors: `NasError`
    with the path and the rule, also where it has fewer than two classes.
    """
    text = at_home(str(source))
    entry = find_reader(text)
    where = text if text in entry.names else str(Path(text).resolve())
    wanted = options or DataOptions()
    options = wanted.model_copy(update={"test_share": 0.0})
    if not entry.options and options != DataOptions():
        raise NasError(
            f"data set {text}: only a folder of images takes --split, --classes and --image-size"
        )
    who = f"data set {text}: reader '{entry.name}'"
    with mistakes_of(who, entry.read):
        data = entry.read(where, seed, *([options] if entry.options else []))
    check_type(data, f"{who}: what it gives", "a DataSet", DataSet)
    if len(data.classes) < 2:
        raise NasError(f"data set {text}: two classes are needed, it has {len(data.classes)}")
    if wanted.test_share and data.test is None:
        data = _with_test(data, wanted)
    # A path that is not UTF-8 cannot be stored as JSON: `--data` has to say it again.
    return replace(data, source=data.source.encode("utf-8", "backslashreplace").decode())


def _with_test(data: DataSet, options: DataOptions) -> DataSet:
    """The data set with some of its training images set aside as a test; equal ones together."""
    pixels = data.train.pixels
    equal = [sha256(image.tobytes()).digest() for image in pixels]
    groups = np.unique(equal, return_inverse=True)[1]
    train, test = split(data.train, options.test_share, TEST_SEED, groups)
    if not len(test.labels):
        raise NasError(
            f"--test-share {options.test_share:g}: no class of {data.source} has images to spare "
            "for a test: add images, or a test folder"
        )
    content = sha256(f"{data.checksum} test {options.test_share}".encode()).hexdigest()
    aside = f"test: {len(test.labels)} of the training images above are set aside as a test"
    understood = (*data.understood, aside) if data.understood else ()
    return replace(
        data, train=train, test=test, options=options, content=content, understood=understood
    )


def load_again(
    source: str, seed: int, options: DataOptions, checksum: str, moved: str | Path | None = None
) -> DataSet:
    """The data set that a study or a training was made with, from where it is now.

    `moved` says where that is, if it is no longer at its `source`. The content decides whether it
    is the same. Errors: `NasError`, with what to do, where it is gone or another.
    """
    where = source if moved is None else moved
    if moved is None and source not in _names() and not os.path.exists(source):
        raise NasError(f"data set {source} is not there any more: --data says where it is now")
    data = load_data(where, seed, options)
    if data.checksum != checksum:
        text = "has changed since" if moved is None else "has other images than that of"
        raise NasError(f"data set {data.source} {text} the training")
    return data


def _names() -> list[str]:
    return [name for entry in READERS.values() for name in entry.names]
