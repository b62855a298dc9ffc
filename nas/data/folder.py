"""A folder of images, decoded by Pillow: a folder for each class, or a table of labels.

    FOLDER/train/cat/1.jpg  FOLDER/val/cat/7.jpg  FOLDER/test/…     by any usual names, or
    FOLDER/cat/1.jpg                                                which is split by a seed, or
    FOLDER/labels.csv       FOLDER/images/1.jpg                     image,label[,split], or
    FOLDER/cat.1.jpg                                                with --classes cat,dog

What is wrong with single files is counted, named and left out; too much of it is an error.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from shlex import quote

from nas.data.dataset import DataSet
from nas.data.findings import Findings
from nas.data.inspection import inspect
from nas.data.labels import OTHERS, beginnings, understand_names, understand_tables, with_tables
from nas.data.layout import Layout, trained, understand
from nas.data.options import DataOptions, written
from nas.data.reading import Inspections, read
from nas.data.registry import reader
from nas.data.tree import TABLES, holds_images, scan
from nas.data.understood import lines
from nas.support.errors import NasError, one_of
from nas.support.text import whole_number

BEGINNINGS = "words that files' names begin with, which --classes takes as classes"
ONE_CASE = "classes that differ in the case of their letters alone"
NOT_ASKED_FOR = "classes that are not asked for are left out"


def _accepts(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in TABLES
    # A page of the Hugging Face Hub may show a picture beside its data.
    shards = (path / place for place in ("", "data") if any((path / place).glob("*-of-*.parquet")))
    return path.is_dir() and not any(shards) and holds_images(path)


@reader(
    "folder",
    accepts=_accepts,
    takes="images in a folder for each class (in train/ and val/), or a CSV file of labels",
    options=True,
)
def read_folder(source: str, seed: int, options: DataOptions | None = None) -> DataSet:
    """A folder's images of every size and mode, as ones of one size and one mode.

    The size is what the `options` say, else a square of the median of the shorter sides, at most
    256: an image is reduced until it just covers that, and its centre is cut out. The mode, grey or
    RGB, is that of most images. Equal files are in one part alone. Errors: `NasError` where under
    two classes have images, or more than the share that `options` allow cannot be read.
    """
    options = options or DataOptions()
    path = Path(source)
    root = path if path.is_dir() else path.parent
    findings = Findings(root)
    try:
        layout = _layout(path, root, options, findings)
        classes = chosen(layout, options, findings)
        data = read(look(layout, classes), classes, options, findings, seed)
    except NasError as error:
        notes = "".join(f"; {note}" for note in findings.notes())
        raise NasError(f"data set {source}: {error}{notes}") from None
    return replace(
        data,
        source=source,
        understood=lines(data, layout, root),
        notes=(*data.notes, *findings.notes()),
        options=options,
    )


def _layout(path: Path, root: Path, options: DataOptions, findings: Findings) -> Layout:
    """The layout that the folders tell, else the one that the tables or the files' names tell."""
    tree = scan(root, findings)
    if not path.is_dir():
        told = understand_tables(tree, [path], findings)
        if told is None:
            raise NasError("has no columns 'image' and 'label'")
        return trained(told)
    if options.split is not None:
        return understand(tree, options, findings)
    noted = Findings(root)
    layout, doubt = Layout({"train": {}}, {}), None
    try:
        layout = understand(tree, options, noted)
    except NasError as error:
        doubt = error
    tables = [table for folder in tree.walk() for table in folder.tables]
    if len(layout.parts["train"]) > 1:
        layout = with_tables(layout, tree, tables, noted) if tables else layout
        findings.extend(noted)
        return layout
    try:
        told = understand_tables(tree, tables, findings)
    except NasError as error:
        raise NasError(f"{doubt}; {error}" if doubt else str(error)) from None
    if told is None and options.classes:
        told = understand_names(tree, options.classes, findings)
    if told is not None:
        return trained(told)
    for table in tables:
        findings.add(OTHERS, table)
    if len(names := beginnings(tree)) > 1:
        for name in names:
            findings.add(BEGINNINGS, Path(name))
    if doubt is not None:
        raise doubt
    findings.extend(noted)
    return layout


def chosen(layout: Layout, options: DataOptions, findings: Findings) -> tuple[str, ...]:
    """The classes that count, in their order. Errors: `NasError` where they are fewer than two."""
    train = layout.parts["train"]
    for name in options.classes:
        if name not in train:
            comma = [written(one) for one in train if "," in one]
            tip = f"; in quotes where it has a comma: --classes {quote(comma[0])}" if comma else ""
            raise NasError(f"{one_of('class', name, train)}{tip}")
    classes = options.classes or tuple(sorted(train, key=_natural))
    for name in sorted(set(train) - set(classes)):
        findings.add(NOT_ASKED_FOR, Path(name))
    if len(classes) < 2:
        images = sum(len(paths) for paths in train.values())
        known = f"one class, {classes[0]!r}, of {images} images" if classes else "no class"
        raise NasError(
            f"two classes are needed, {known} was found: each class needs a folder with its images "
            "(in train/ and val/ or without them; --split none makes a class of any folder), or a "
            "labels.csv of image,label"
        )
    alike = Counter(name.casefold() for name in classes)
    for name in classes:
        if alike[name.casefold()] > 1:
            findings.add(ONE_CASE, Path(name))
    for part, by_class in layout.parts.items():
        for name in sorted(set(by_class) - set(train)):
            findings.add(f"classes without training images are left out of {part}", Path(name))
    return classes


def _natural(name: str) -> tuple[int, int, str]:
    """Numbers by their value, before names."""
    number = whole_number(name)
    return (1, 0, name) if number is None else (0, number, name)


def look(layout: Layout, classes: tuple[str, ...]) -> Inspections:
    """Every image of the classes, those of a class in the order of their content, not their names.

    So the same images are the same data set wherever they are and whatever they are called.
    """
    looked: Inspections = {}
    for part, by_class in layout.parts.items():
        images = [
            inspect(path, label)
            for label, name in enumerate(classes)
            for path in by_class.get(name, ())
        ]
        looked[part] = sorted(images, key=lambda image: (image.label, image.digest))
    return looked
