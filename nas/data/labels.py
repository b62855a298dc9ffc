"""Labels in a table: `image,label[,split]`, one image a row, comma, semicolon or tab between."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from nas.data.findings import Findings, shown_path
from nas.data.layout import Classes, Layout
from nas.data.options import Part
from nas.data.parts import part_of
from nas.data.tree import Folder
from nas.support.errors import NasError

IMAGE = ("image", "filename", "file", "path", "filepath", "imagepath", "img", "imageid", "id",
         "name", "images", "filenames", "imagename", "imagefile")  # fmt: skip
LABEL = ("label", "class", "category", "target", "classname", "labels", "species", "breed", "y",
         "labelname", "diagnosis", "tag")  # fmt: skip
SPLIT = ("split", "set", "subset", "part", "partition", "fold", "usage")
MISSING = "rows whose image is not there are left out"
UNKNOWN_SPLIT = "rows of another split than training, validation and test are left out"
TWICE = "rows that give an image another class are left out"


class _Row(NamedTuple):
    image: str
    label: str
    split: str


def understand_tables(root: Folder, tables: Iterable[Path], findings: Findings) -> Layout | None:
    """The layout that the tables among `tables` tell that have labels, None where none has.

    Images are found from the table's folder, from the data's, or by their name alone, with or
    without its suffix. A row's part is its `split`, else what the table's name says
    (`val_labels.csv`), else what the image's folders say.
    """
    read = [(table, rows) for table in tables if (rows := list(_rows(table)))]
    if not read:
        return None
    images = _Images(root)
    labels: dict[Path, tuple[Part, str]] = {}
    used: list[Path] = []
    for table, rows in read:
        named = part_of(table.stem)
        used.append(table)
        for row in rows:
            path = images.find(row.image, table.parent)
            if path is None:
                findings.add(MISSING, table.parent / row.image.replace("\0", ""))
                continue
            part = named.part if named else _part_of_folders(path, root.path)
            if row.split:
                told = part_of(row.split)
                part = told.part if told else None
            if part is None:
                findings.add(UNKNOWN_SPLIT, path)
            elif labels.setdefault(path, (part, row.label)) != (part, row.label):
                findings.add(TWICE, path)
    for path in images.everything - set(labels):
        findings.add("images without a row in the table are left out", path)
    return _layout(labels, used)


def _layout(labels: dict[Path, tuple[Part, str]], tables: list[Path]) -> Layout:
    parts: dict[Part, Classes] = {}
    for path in sorted(labels):
        part, label = labels[path]
        parts.setdefault(part, {}).setdefault(label, []).append(path)
    if "train" not in parts and parts:
        parts["train"] = parts.pop("validation" if "validation" in parts else "test")
    known = parts.get("train", {})
    parts = {
        part: {name: paths for name, paths in classes.items() if name in known}
        for part, classes in parts.items()
    }
    return Layout(parts or {"train": {}}, dict.fromkeys(parts, tables))


class _Images:
    """The images of a tree by path and by name."""

    def __init__(self, root: Folder) -> None:
        self.root = root.path
        self.everything = set(root.everything())
        self._named: dict[str, list[Path]] = {}
        for path in self.everything:
            for key in {path.name.casefold(), path.stem.casefold()}:
                self._named.setdefault(key, []).append(path)

    def find(self, name: str, folder: Path) -> Path | None:
        """The one image of that name; never a file outside of the tree."""
        name = name.replace("\\", "/")
        if ".." in name.split("/"):
            return None
        for path in (folder / name, self.root / name):
            if path in self.everything:
                return path
        namesakes = self._named.get(name.rsplit("/", 1)[-1].casefold(), [])
        return namesakes[0] if len(namesakes) == 1 else None


def _part_of_folders(path: Path, root: Path) -> Part | None:
    for name in path.relative_to(root).parts[:-1]:
        named = part_of(name)
        if named and named.plain:
            return named.part
    return "train"


def _rows(table: Path) -> Iterator[_Row]:
    """The rows of a table with an image and a label; none where it has no such columns."""
    try:
        raw = table.read_bytes()
    except OSError as error:
        raise NasError(f"{shown_path(table, table.parent)}: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    text = text.replace("\0", "").lstrip()
    if not text:
        return
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    try:
        rows = [row for row in csv.reader(StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise NasError(f"{shown_path(table, table.parent)}: {error}") from None
    head = ["".join(c for c in cell.lower() if c.isalpha()) for cell in rows[0]]
    columns = [_column(head, names) for names in (IMAGE, LABEL, SPLIT)]
    image, label, split = columns
    if image is None or label is None:
        # Without a header the first row is an image already.
        if len(rows[0]) not in (2, 3) or "." not in rows[0][0].rsplit("/", 1)[-1]:
            return
        image, label, split = 0, 1, 2 if len(rows[0]) == 3 else None
    else:
        rows = rows[1:]
    for row in rows:
        cells = [row[i].strip() if i is not None and i < len(row) else "" for i in
                 (image, label, split)]  # fmt: skip
        if cells[0] and cells[1]:
            yield _Row(*cells)


def _column(head: list[str], names: Iterable[str]) -> int | None:
    return next((head.index(name) for name in names if name in head), None)
