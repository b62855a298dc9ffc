"""The reader of WebDataset: tar files in which files of one name but for the ending are a sample.

    train-000.tar: 0001.jpg 0001.cls 0002.jpg 0002.cls …

The class stands in `.cls` (a number or a name) or as `label` in `.json`; the part is told by the
tar's name.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from nas.data.dataset import DataSet
from nas.data.inspection import readable_kind
from nas.data.options import DataOptions
from nas.data.packed import Sample, packed_files, read_packed
from nas.data.registry import reader
from nas.support.errors import NasError, one_line

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
    return read_packed(source, seed, options, _all_samples(packed_files(Path(source), ".tar")))


def _all_samples(files: list[Path]) -> Iterator[Sample]:
    empty = True
    for file in files:
        for sample in _samples(file):
            empty = False
            yield sample
    if empty:
        raise NasError(
            f"no image of {files[0].name} has a label (.cls or .json) beside it: unpack it, if it "
            "is an archive of folders"
        )


def _samples(file: Path) -> Iterator[Sample]:
    """Yields what has an image and a label; the files of a sample lie beside one another."""
    key = label = suffix = content = None
    try:
        with tarfile.open(file, "r|") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, ending = name.partition(".")
                if (folder, stem) != key:
                    if label is not None and suffix is not None and content is not None:
                        yield Sample(file, suffix, label, content)
                    key, label, suffix, content = (folder, stem), None, None, None
                last = f".{ending.rpartition('.')[2].lower()}"
                opened = archive.extractfile(member)
                if opened is None:
                    continue
                if last in (".cls", ".json"):
                    label = _label(opened.read(MOST_LABEL), last) or label
                elif readable_kind(last):
                    suffix, content = last, opened.read()
        if label is not None and suffix is not None and content is not None:
            yield Sample(file, suffix, label, content)
    except tarfile.TarError as error:
        raise NasError(f"{file.name}: {one_line(error)[:100]}") from None


def _label(content: bytes, suffix: str) -> str | None:
    text = content.decode("utf-8", "replace").strip()
    if suffix == ".cls":
        return text or None
    try:
        label = json.loads(text).get("label")
    except (ValueError, AttributeError, RecursionError):
        return None
    return str(label) if isinstance(label, str | int) else None
