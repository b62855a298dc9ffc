"""Labels in a table: `image,label[,split]`, one image a row; or in the names of image files."""

from __future__ import annotations

import filecmp
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from itertools import combinations
from pathlib import Path

from nas.data.columns import SEVERAL, Read, labelled
from nas.data.findings import Findings, shown_path
from nas.data.layout import Classes, Layout, trained
from nas.data.options import Part
from nas.data.parts import is_beside, part_of, part_of_folders
from nas.data.tables import read_table
from nas.data.tree import IMAGES, Folder
from nas.support.errors import NasError

MISSING = "rows whose image is not there are left out"
ELSEWHERE = "rows whose image is elsewhere are left out (give a folder that holds both)"
UNLABELLED = "rows without a label are left out"
UNKNOWN_SPLIT = "rows of another split than training, validation and test are left out"
TWICE = "rows that give an image another class are left out"
WITHOUT_ROW = "images without a row in the table are left out"
OTHER_NAME = "images whose names begin with none of the classes are left out"
UNUSED = "columns that could be labels or parts too are not taken"
OTHERS = "tables whose rows name none of the images are left out"
MOST_TWICE = 0.25  # of the images: above it they are no mistakes
_SUBMISSION = re.compile("submi|sample.?sub", re.IGNORECASE)  # labels of a test that are made up
_NUMBERED = re.compile(r"[\W_]*\d.*", re.DOTALL)


class SeveralSets(NasError):
    """Tables are those of several data sets."""


def understand_tables(root: Folder, tables: Sequence[Path], findings: Findings) -> Layout | None:
    """The layout that the tables among `tables` tell that have labels, None where none has.

    Images are found from the table's folder, from the data's, or by the end of their path, with or
    without its suffix. A row's part is its `split`, else what the table's name says
    (`val_labels.csv`), else what the image's folders say. Errors: `NasError` where no table has
    labels, and why one about these images has none; where they contradict one another.
    """
    images = _Images(root)
    if not (read := _read_all(tables, images)):
        return None
    _check_one_set(read, root.path)
    labels: dict[Path, tuple[Part, str]] = {}
    sources: dict[Part, list[Path]] = {}
    seen: set[Path] = set()
    twice: set[Path] = set()
    for table, told in read:
        named = part_of(table.stem)
        for column in told.unused:
            findings.add(UNUSED, table / column)
        for row in told.rows:
            path = images.find(row.image, table)
            if path is None:
                there = table.parent / row.image
                findings.add(ELSEWHERE if os.path.exists(there) else MISSING, there)
                continue
            seen.add(path)
            split = part_of(row.split) if row.split else named
            part = split.part if split else None if row.split else part_of_folders(path, root.path)
            if not row.label:
                findings.add(UNLABELLED, path)
            elif part is None:
                findings.add(UNKNOWN_SPLIT, path)
            elif labels.setdefault(path, (part, row.label))[1] != row.label:
                twice.add(path)
            elif table not in (tables_of := sources.setdefault(part, [])):
                tables_of.append(table)
    if len(twice) > MOST_TWICE * len(labels):
        raise NasError(
            f"{len(twice)} of {len(labels)} images have several labels "
            f"({findings.named(sorted(twice))}): {SEVERAL}; of several tables give the one that "
            "counts"
        )
    for path in sorted(twice):
        findings.add(TWICE, path)
    for path in sorted(images.everything - seen):
        findings.add(WITHOUT_ROW, path)
    return _layout(labels, sources)


def _check_one_set(read: Iterable[tuple[Path, Read]], root: Path) -> None:
    """Errors: `SeveralSets` where the tables of two folders have no class in common."""
    sets: dict[Path, set[str]] = {}
    for table, told in read:
        sets.setdefault(table.parent, set()).update(row.label for row in told.rows)
    for (a, ours), (b, theirs) in combinations(sets.items(), 2):
        if len(ours) > 1 < len(theirs) and not ours & theirs:
            places = " and ".join(shown_path(folder, root) for folder in (a, b))
            raise SeveralSets(f"the tables in {places} have no class in common: give one of them")


def _read_all(tables: Sequence[Path], images: _Images) -> list[tuple[Path, Read]]:
    """The tables that have labels. Errors: that of the first one where none has."""
    read: list[tuple[Path, Read]] = []
    problem: NasError | None = None
    for table in tables:
        if len(tables) == 1 or not _SUBMISSION.search(table.stem):
            try:
                told = _read(table, images)
            except NasError as error:
                problem = problem or error
                continue
            if told is not None:
                read.append((table, told))
    if problem is not None and not read:
        raise problem
    return read


def _read(table: Path, images: _Images) -> Read | None:
    rows = read_table(table)
    try:
        return labelled(rows, lambda name: images.find(name, table) is not None)
    except NasError as error:
        raise NasError(f"{shown_path(table, images.root.parent)}: {error}") from None


def understand_names(root: Folder, classes: Iterable[str], findings: Findings) -> Layout:
    """The layout in which an image's class is what its name begins with, as in cat.1.jpg."""
    known = {name.casefold(): name for name in classes}
    labels = {}
    for path in root.everything():
        label = known.get(_beginning(path).casefold())
        part = part_of_folders(path, root.path)
        if label and part and not any(map(is_beside, path.relative_to(root.path).parts[:-1])):
            labels[path] = part, label
        else:
            findings.add(OTHER_NAME, path)
    return _layout(labels, {part: [root.path] for part, _ in labels.values()})


def beginnings(root: Folder) -> list[str]:
    """What the names of several images begin with, before a number, the most frequent first."""
    counts = Counter(_beginning(path) for path in root.everything())
    return [name for name, count in counts.most_common() if name and count > 1]


def _beginning(path: Path) -> str:
    return _NUMBERED.sub("", path.stem)


def _layout(labels: dict[Path, tuple[Part, str]], sources: dict[Part, list[Path]]) -> Layout:
    parts: dict[Part, Classes] = {}
    for path in sorted(labels):
        part, label = labels[path]
        parts.setdefault(part, {}).setdefault(label, []).append(path)
    return Layout(parts, sources)


def with_tables(layout: Layout, root: Folder, tables: Sequence[Path], findings: Findings) -> Layout:
    """A layout that folders tell, with the parts that tables tell whose labels are its classes.

    Errors: `NasError` where the tables say other classes.
    """
    try:
        told = understand_tables(root, tables, Findings(root.path))
    except SeveralSets:
        raise
    except NasError:
        return layout
    if told is None:
        return layout
    own, said = (
        {path: name for part in x.parts.values() for name, paths in part.items() for path in paths}
        for x in (layout, told)
    )
    both = own.keys() & said.keys()
    pairs = {(own[path], said[path]) for path in both}
    most = 2 * len(both) > len(own)
    if most and len(pairs) > len({name for name, _ in pairs}):
        if any((named := part_of(name)) and named.plain for name in layout.parts["train"]):
            return trained(told)
        names = [sorted({pair[i] for pair in pairs})[:3] for i in (0, 1)]
        table = shown_path(next(iter(told.sources.values()))[0], root.path)
        raise NasError(
            f"its folders ({', '.join(names[0])}) and {table} ({', '.join(names[1])}) tell "
            f"different classes: give {table} as the data set, or --split (none, or train=…) for "
            "the folders"
        )
    if any(name != label for name, label in pairs):
        return layout
    within = _only(told, both)
    if set(layout.parts) == {"train"} and len(within.parts) > 1 and most:
        for path in sorted(own.keys() - both):
            findings.add(WITHOUT_ROW, path)
        layout = trained(within)
    known = layout.parts["train"]
    more = _only(told, {path for path, name in said.items() if name in known} - both)
    added = [part for part in more.parts if part not in layout.parts]
    findings.forget(path for part in added for paths in more.parts[part].values() for path in paths)
    return Layout(
        layout.parts | {part: more.parts[part] for part in added},
        layout.sources | {part: more.sources[part] for part in added},
    )


def _only(layout: Layout, images: AbstractSet[Path]) -> Layout:
    parts: dict[Part, Classes] = {}
    for part, classes in layout.parts.items():
        for name, paths in classes.items():
            if kept := [path for path in paths if path in images]:
                parts.setdefault(part, {})[name] = kept
    return Layout(parts, {part: layout.sources[part] for part in parts})


class _Images:
    """The images of a tree by path and by name."""

    def __init__(self, root: Folder) -> None:
        self.root = root.path
        self.everything = set(root.everything())
        self._named: dict[str, list[Path]] = {}
        self._folders = {_key(path.parent.name) for path in self.everything}
        for path in sorted(self.everything):
            for key in {_key(path.name), _key(path.stem)}:
                self._named.setdefault(key, []).append(path)
                self._named.setdefault(f"{_key(path.parent.name)}/{key}", []).append(path)
        self.find = cache(self._find)

    def _find(self, name: str, table: Path) -> Path | None:
        """The one image of that name in a table, never one outside of the tree.

        Of several the one whose folders agree most, then one of the table's part, then any of
        equal files.
        """
        name = name.rsplit("?d=", 1)[-1].replace("\\", "/").replace("\0", "")
        parts = name.split("/")
        for folder in (table.parent, self.root):
            if (path := Path(os.path.normpath(folder / name))) in self.everything:
                return path
        if ".." in parts:
            return None
        stem, dot, suffix = parts[-1].rpartition(".")
        keys = [_key(parts[-1]), *([_key(stem)] if dot + suffix.lower() in IMAGES else [])]
        if len(parts) > 1 and (above := _key(parts[-2])) in self._folders:
            keys = [f"{above}/{key}" for key in keys]
        found = next((self._named[key] for key in keys if key in self._named), [])
        most = max((_shared(path, parts) for path in found), default=0)
        found = [path for path in found if _shared(path, parts) == most]
        if len(found) > 1:
            named = part_of(table.stem)
            part = named.part if named else "train"
            found = [p for p in found if part_of_folders(p, self.root) == part] or found
        try:
            equal = all(filecmp.cmp(found[0], other, shallow=False) for other in found[1:])
        except OSError:
            equal = False
        return found[0] if found and equal else None


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _shared(path: Path, parts: list[str]) -> int:
    """How many folders above it a path shares with one of these parts."""
    shared = 0
    for own, other in zip(reversed(path.parts[:-1]), reversed(parts[:-1]), strict=False):
        if _key(own) != _key(other):
            break
        shared += 1
    return shared
