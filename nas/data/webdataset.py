"""The reader of WebDataset: tar files in which files of one name but for the ending are a sample.

    train-000.tar: 0001.jpg 0001.cls 0002.jpg 0002.cls …

The class stands in `.cls` (a number or a name) or as `label` in `.json`; the part is told by the
tar's name.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from nas.data.columns import label_of
from nas.data.dataset import DataSet
from nas.data.inspection import readable_kind
from nas.data.options import DataOptions
from nas.data.packed import Sample, packed_files, read_packed
from nas.data.registry import reader
from nas.data.tree import hidden
from nas.support.errors import NasError, one_line

WITHOUT = (
    "no image has a label (.cls or .json) beside it: unpack it, if it is an archive of folders"
)
MOST_LABEL = 1 << 20  # bytes of a file that holds a label


def _accepts(path: Path) -> bool:
    return bool(packed_files(path, ".tar"))


@reader(
    "webdataset",
    accepts=_accepts,
    takes="WebDataset's tar files such as train-000.tar",
    options=True,
)
def read_webdataset(source: str, seed: int, options: DataOptions | None = None) -> DataSet:
    """The images of tar files. Errors: `NasError` for a file that is no tar, or without labels."""
    files = packed_files(Path(source), ".tar")
    return read_packed(source, seed, options, files, _samples, WITHOUT)


def _samples(file: Path) -> Iterator[Sample]:
    """Yields what has an image; the files of a sample lie beside one another."""
    try:
        with tarfile.open(file, "r|") as archive:
            seen = (member for member in archive if member.isfile() and not hidden(_name(member)))
            for _, members in groupby(seen, _key):
                label, found = "", None
                for member in members:
                    stem = Path(_name(member).lower())
                    content = archive.extractfile(member)
                    assert content is not None  # of a file
                    if stem.suffix in (".cls", ".json"):
                        label = _label(content.read(MOST_LABEL), stem.suffix) or label
                    # 1.png comes before its 1.seg.png and the like
                    elif readable_kind(stem.suffix) and not (found and len(stem.suffixes) > 1):
                        found = stem.suffix, content.read()
                if found:
                    yield Sample(found[0], label, found[1])
            if file.stat().st_size < archive.offset + tarfile.BLOCKSIZE:  # without its last block
                raise NasError(f"{file.name}: it is cut off")
    except tarfile.TarError as error:
        raise NasError(f"{file.name}: {one_line(error)[:100]}") from None


def _name(member: tarfile.TarInfo) -> str:
    return member.name.rpartition("/")[2]


def _key(member: tarfile.TarInfo) -> str:
    """The folder and the name without its endings, in which the files of a sample agree."""
    return member.name.removesuffix(_name(member)) + _name(member).partition(".")[0]


def _label(content: bytes, suffix: str) -> str | None:
    text = content.decode("utf-8", "replace").strip()
    if suffix == ".cls":
        return text or None
    try:
        label = json.loads(text).get("label")
    except (ValueError, AttributeError, RecursionError):
        return None
    return label_of(label)
