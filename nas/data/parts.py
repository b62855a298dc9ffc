"""Which part of a data set a folder's name speaks of: training, validation or test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nas.data.options import Part

WORDS: dict[str, Part | None] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "vali", "dev",
                     "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "tests", "eval", "evaluation", "holdout"), "test"),
    # Parts without labels, and those of a cross-validation.
    **dict.fromkeys(("unlabeled", "unlabelled", "unsup", "unsupervised", "pred", "predict",
                     "prediction", "submission"), None),
}  # fmt: skip
FOLDS = {"fold", "folds", "shard", "chunk", "batch"}
PORTIONS = FOLDS | {"images", "imgs", "photos", "part", "data", "files", "folder"}
# Words beside it that do not make "train" anything else; any other must be shared by another part.
FILLERS = {
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "pics", "pictures",
    "photos", "split", "seg", "folder", "dir", "samples", "cls", "the", "my", "final", "new", "all",
    "raw", "v", "labeled", "labelled", "files", "directory", "subset", "part",
}  # fmt: skip
# What lies beside images, and is no more a class than they are.
BESIDE = {"masks", "mask", "annotations", "annotation", "labels", "label", "groundtruth", "gt"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[A-Z]|\d+|[^\W\d_A-Za-z]+")
_GLUED = re.compile(rf"({'|'.join(sorted(WORDS, key=len, reverse=True))})({'|'.join(FILLERS)})")


class Named(NamedTuple):
    """What a name says: the part (None for one without labels), and its other words.

    `fold` says that it is one of several folders that are to be taken together.
    """

    part: Part | None
    rest: tuple[str, ...]
    fold: bool = False

    @property
    def plain(self) -> bool:
        """Whether nothing in the name but the part says what it is."""
        return all(word in FILLERS or word.isdigit() for word in self.rest)


def part_of(name: str) -> Named | None:
    """What a name says of a part of the data, None where it speaks of none or of several.

    >>> part_of("seg_train").part, part_of("ValidationSet").part, part_of("streetcar")
    ('train', 'validation', None)
    """
    for text in (name, name.lower()):  # "TRAINset" is one word in the second way alone
        if named := _read(_WORD.findall(text)):
            return named
    return None


def part_of_folders(path: Path, root: Path) -> Part | None:
    """What the folders of a file below `root` say of its part: training where they say nothing."""
    read = map(part_of, path.relative_to(root).parts[:-1])
    named = next((name for name in read if name and name.plain), None)
    return named.part if named else "train"


def is_generic(name: str) -> bool:
    """Whether a name only says that there are data, as "images" and "masks" do."""
    words = _words(name)
    return any(words) and all(word in FILLERS | BESIDE for word in words)


def is_beside(name: str) -> bool:
    """Whether a name is that of masks, annotations and the like."""
    words = _words(name)
    return bool(words) and all(word in BESIDE for word in words)


def is_series(names: Sequence[str]) -> bool:
    """Whether names differ in their numbers alone."""
    first = _words(names[0])
    return all(_words(name) == first for name in names)


def are_of_one(names: Sequence[str]) -> bool:
    """Whether names are those of the parts of one thing, as "scans_part_1" and "scans_part_2"."""
    return is_series(names) and bool(PORTIONS & set(_words(names[0])))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name) if not word.isdigit()]


def _read(tokens: list[str]) -> Named | None:
    words: list[str] = []
    for word in map(str.lower, tokens):
        glued = _GLUED.fullmatch(word)
        words += [glued[1], glued[2]] if glued and word not in WORDS else [word]
    hits = [word for word in words if word in WORDS]
    if not hits:
        parts = all(word in FOLDS | FILLERS or word.isdigit() for word in words)
        return Named("train", (), fold=True) if parts and FOLDS & set(words) else None
    meant = {WORDS[word] for word in hits}
    if len(meant) > 1 and None not in meant:
        return None
    first = next((word for word in hits if WORDS[word] is None), hits[0])
    words.remove(first)
    return Named(WORDS[first], tuple(words))
