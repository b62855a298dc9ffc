"""Which column of a table names the images, which one their class, and which one their part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from nas.data.parts import part_of
from nas.support.errors import NasError

IMAGE = ("image", "filename", "file", "path", "filepath", "filepaths", "imagepath", "img",
         "imageid", "imagename", "images", "filenames", "imagefile", "id", "name")  # fmt: skip
LABEL = ("label", "class", "category", "target", "classname", "labels", "classes", "species",
         "breed", "y", "labelname", "diagnosis", "dx", "tag", "tags", "choice", "classid",
         "findinglabels", "variety")  # fmt: skip
SPLIT = ("split", "set", "subset", "part", "partition", "fold", "usage", "dataset")
VALID = "isvalid"  # fastai's: True is validation
UNLABELLED = {"", "nan", "n/a", "null"}
SAMPLED = 50  # rows by which columns are known
SEVERAL = "one class an image is needed"

Rows = list[list[str]]


def label_of(value: object) -> str | None:
    """The class that a value in a packed file names: "" for none, None for what can be no class."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value != value:
        return ""
    if not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return "" if text.lower() in UNLABELLED else text


class Row(NamedTuple):
    """An image, its class ("" where it has none) and its part as a table writes them."""

    image: str
    label: str
    split: str


class Read(NamedTuple):
    """The rows of a table, and the names of columns that may be labels or parts too but are not
    taken."""

    rows: list[Row]
    unused: tuple[str, ...] = ()


def labelled(rows: Rows, is_image: Callable[[str], bool]) -> Read | None:
    """The rows with their columns told apart; None for a table that is not about these images.

    The images' column is the one in which images are named, as `is_image` says. The class's has a
    usual name, else is the only one left, else is one of several of 0 and 1.
    Errors: `NasError` where none is, where images have several classes, or numbers for classes.
    """
    width = max((len(row) for row in rows), default=0)
    if width < 2:
        return None
    rows = [row + [""] * (width - len(row)) for row in rows]
    names = ["".join(filter(str.isalnum, cell.lower())) for cell in rows[0]]
    image = _image(rows, names, is_image)
    if image is None:
        return None
    first = rows[0][image]
    says = {*LABEL, *SPLIT}.intersection(names[:image] + names[image + 1 :])
    has_header = (names[image] in IMAGE and bool(says)) or (
        not is_image(first) and (names[image] in IMAGE or "." not in first)
    )
    body = rows[1:] if has_header else rows
    names = names if has_header else [""] * width
    titles = rows[0] if has_header else [f"column {i + 1}" for i in range(width)]
    split = _split(body, names, image)
    left = [
        i
        for i in range(width)
        if i not in (image, split) and names[i] not in SPLIT and not _is_index(body, names, i)
    ]
    if not left:
        return None
    if not has_header:
        left = [i for i in left if not all(map(_is_number, _column(body, i)))] or left
    marked = [names.index(name) for name in LABEL if name in names and names.index(name) in left]
    if not marked and len(left) == 1:
        marked = left
    labels, unused = _labels(body, names, titles, marked, left)
    parts = [_part(row[split], names[split]) if split is not None else "" for row in body]
    told = [
        Row(row[image], label_of(label) or "", part)
        for row, label, part in zip(body, labels, parts, strict=True)
        if row[image]
    ]
    if split is None:
        unused += [i for i in range(width) if names[i] in SPLIT and i != image]
    return Read(told, tuple(titles[i] for i in unused))


def _labels(
    body: Rows, names: list[str], titles: list[str], marked: list[int], left: list[int]
) -> tuple[list[str], list[int]]:
    """The label of each row, from a column that is `marked` or all that are `left`; and the marked
    ones that say something else."""
    if marked:
        label, unused = _told_apart(body, marked)
        _check_classes(_column(body, label), names[label], titles[label])
        return [row[label] for row in body], unused
    labels = _one_of(body, left, titles)
    if labels is None:
        columns = ", ".join(titles[i] for i in left)
        raise NasError(f"which of its columns {columns[:100]} is the class? Call it 'label'")
    return labels, []


def _column(body: Rows, i: int) -> list[str]:
    return [row[i] for row in body if row[i].lower() not in UNLABELLED]


def _image(rows: Rows, names: list[str], is_image: Callable[[str], bool]) -> int | None:
    """The column in which most images are named; of several a usual name's."""
    sample = rows[1:] or rows
    sample = sample[:: 1 + len(sample) // SAMPLED]
    hits = [sum(is_image(row[i]) for row in sample) for i in range(len(names[:SAMPLED]))]
    rank = {i: IMAGE.index(name) for i, name in enumerate(names) if name in IMAGE}
    most = max(hits)
    good = [i for i, n in enumerate(hits) if n and 2 * n >= most and 10 * n >= len(sample)]
    if good:
        return min(good, key=lambda i: (rank.get(i, len(IMAGE)), -hits[i]))
    # None is there: so much can still be said of files that are named as such.
    files = [i for i in rank if all("." in row[i] for row in sample)]
    return min(files, key=rank.__getitem__, default=None)


def _split(body: Rows, names: list[str], image: int) -> int | None:
    named = [i for i, name in enumerate(names) if name in SPLIT or name == VALID]
    if not any(names):
        named = [i for i in range(len(names)) if i != image]
    for i in named:
        cells = {_part(cell, names[i]) for cell in _column(body, i)}
        told = sum(part_of(cell) is not None for cell in cells)
        if told and (names[i] or told == len(cells)):
            return i
    return None


def _part(cell: str, name: str) -> str:
    if name != VALID:
        return cell
    return "validation" if cell.lower() in ("true", "1", "1.0") else "train"


def _is_index(body: Rows, names: list[str], i: int) -> bool:
    """Whether a column without a name of its own only counts the rows."""
    if names[i] not in ("", "index") and not names[i].startswith("unnamed"):
        return False
    cells = {int(row[i][:9]) for row in body if row[i].isdecimal()}
    return 1 < len(body) == len(cells) == max(cells) - min(cells) + 1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _told_apart(body: Rows, marked: list[int]) -> tuple[int, list[int]]:
    """The column of labels, words before numbers where two say the same; those that differ."""
    first = marked[0]
    values = len(set(_column(body, first)))
    same = [
        i
        for i in marked
        if len({(row[first], row[i]) for row in body}) == values == len(set(_column(body, i)))
    ]
    words = [i for i in same if not all(map(_is_number, _column(body, i)))]
    return (words or [first])[0], [i for i in marked if i not in same and i != first]


def _one_of(body: Rows, left: list[int], titles: list[str]) -> list[str] | None:
    """The label of each row whose one 1 among 0 stands below it; None where it is otherwise."""
    truth = {"0": 0, "1": 1, "-1": 0, "": 0, "false": 0, "true": 1, "nan": 0}
    if len(left) < 2:
        return None
    labels = []
    for row in body:
        cells = [truth.get(row[i].lower().removesuffix(".0")) for i in left]
        if None in cells:
            return None
        if cells.count(1) > 1:
            marked = ", ".join(titles[i] for i, cell in zip(left, cells, strict=True) if cell)
            raise NasError(f"an image has several labels ({marked[:60]}): {SEVERAL}")
        labels.append(titles[left[cells.index(1)]] if 1 in cells else "")
    return labels


def _check_classes(labels: list[str], name: str, title: str) -> None:
    """Errors: `NasError` where labels are lists of classes, or numbers with a fraction."""
    distinct = set(labels)
    if distinct and all(map(_is_number, distinct)) and any(
        not float(label).is_integer() for label in distinct
    ):  # fmt: skip
        raise NasError(
            f"'{title}' holds numbers such as {labels[0][:20]}, which are no classes: regression "
            "is not trained"
        )
    for marks, plural in (("|", True), (",;", name.endswith("s")), (None, name.endswith("tags"))):
        if several := _several(distinct, marks, plural):
            raise NasError(
                f"'{title}' holds several labels in a cell, such as '{several[:60]}': {SEVERAL}; "
                "write it without separators if it is one"
            )


def _several(labels: Iterable[str], marks: str | None, plural: bool) -> str | None:
    """A label that is made of others, parted by any of the marks, None being white space.

    Its pieces are labels themselves; in a column whose name is `plural` one that others share does.
    """
    pieces = {label: _pieces(label, marks) for label in labels}
    several = {label: parts for label, parts in pieces.items() if len(parts) > 1}
    alone = {label for label, parts in pieces.items() if len(parts) == 1}
    number = Counter(part for parts in several.values() for part in parts)
    for label, parts in several.items():
        if (
            parts <= alone
            or label[0] == "["
            or (plural and (marks == "|" or any(number[p] > 1 for p in parts)))
        ):
            return label
    return None


def _pieces(label: str, marks: str | None) -> set[str]:
    pieces = [label] if marks else label.split()
    for mark in marks or "":
        pieces = [part for piece in pieces for part in piece.split(mark)]
    return {stripped for piece in pieces if (stripped := piece.strip())}
