"""The reader of Parquet files as Hugging Face's `datasets` writes them; needs pyarrow.

    data/train-00000-of-00002.parquet: image {bytes, path}, label

The names of the classes are in the file's metadata; the part is told by the file's name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nas.data.columns import IMAGE, LABEL, SEVERAL, label_of
from nas.data.dataset import DataSet
from nas.data.options import DataOptions
from nas.data.packed import Sample, packed_files, read_packed
from nas.data.registry import reader
from nas.support.errors import NasError, one_line
from nas.support.resources import install_extra

ROWS = 64  # in memory at once
KINDS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp", b"GI": ".gif", b"BM": ".bmp"}


def _accepts(path: Path) -> bool:
    return bool(packed_files(path, ".parquet"))


@reader(
    "parquet",
    accepts=_accepts,
    takes="Parquet files of images and labels such as train-00000-of-00001.parquet",
    options=True,
)
def read_parquet(source: str, seed: int, options: DataOptions | None = None) -> DataSet:
    """The images of Parquet files. Errors: `NasError` where pyarrow lacks, for a file that is
    damaged, or one without an image and a label column."""
    files = packed_files(Path(source), ".parquet")
    return read_packed(source, seed, options, files, _samples, "no row has a label")


def _samples(file: Path) -> Iterator[Sample]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise NasError(f"Parquet needs the package pyarrow: {install_extra('parquet')}") from None
    try:
        with parquet.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            image = _column(schema.names, "image", IMAGE, file)
            label = _column(schema.names, "label", ("fine_label", *LABEL), file)
            names = _names(schema.metadata or {}, label)
            where = f"{file.name}: '{label}'"
            for batch in opened.iter_batches(ROWS, columns=[image, label]):
                rows: dict[str, list[Any]] = batch.to_pydict()
                for held, value in zip(rows[image], rows[label], strict=True):
                    content = held.get("bytes") if isinstance(held, dict) else held
                    content = content if isinstance(content, bytes) else b""
                    kind = KINDS.get(content[:2], ".png")
                    yield Sample(kind, _name(value, names, where), content)
    except (pyarrow.ArrowException, OSError) as error:
        raise NasError(f"{file.name}: {one_line(error)[:100]}") from None


def _column(names: list[str], wanted: str, known: tuple[str, ...], file: Path) -> str:
    found = next((name for word in known for name in names if name.lower() == word), None)
    if found is None:
        raise NasError(f"{file.name}: needs a column '{wanted}', has {', '.join(names)[:100]}")
    return found


def _names(metadata: dict[bytes, bytes], label: str) -> list[str]:
    """The names of the classes, none where the file does not tell them."""
    try:
        about = json.loads(metadata[b"huggingface"])["info"]["features"][label]
        return [str(name) for name in about["names"]]
    except (KeyError, TypeError, ValueError):
        return []


def _name(value: object, names: list[str], where: str) -> str:
    """A label's class, "" for none. Errors: `NasError` for what is no class."""
    if value is None or (names and value == -1):  # Hugging Face's label of a test
        return ""
    if isinstance(value, list | dict):
        raise NasError(f"{where} holds several labels an image: {SEVERAL}")
    if (label := label_of(value)) is None:
        raise NasError(f"{where} holds values such as {value!s:.20}, which are no classes")
    if isinstance(value, int | float) and 0 <= value < len(names):
        return names[int(value)]
    return label
