"""A folder of images, decoded by Pillow: a folder for each class, or a table of labels.

    FOLDER/train/cat/1.jpg  FOLDER/val/cat/7.jpg  FOLDER/test/…     by any usual names, or
    FOLDER/cat/1.jpg                                                which is split by a seed, or
    FOLDER/labels.csv       FOLDER/images/1.jpg                     image,label[,split]

What is wrong with single files is counted, named and left out; too much of it is an error.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nas.data.dataset import DataSet
from nas.data.findings import Findings
from nas.data.inspection import inspect
from nas.data.labels import understand_tables
from nas.data.layout import Layout, understand
from nas.data.options import DataOptions
from nas.data.reading import Inspections, read
from nas.data.registry import reader
from nas.data.tree import TABLES, Folder, holds_images, scan
from nas.data.understood import lines
from nas.support.errors import NasError, one_of

NOT_ASKED_FOR = "classes that are not asked for are left out"


def _accepts(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() in TABLES
    return path.is_dir() and holds_images(path)


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
    """The layout that the folders tell, else the one that the tables tell."""
    tree = scan(root, findings)
    if not path.is_dir():
        told = understand_tables(tree, [path], findings)
        if told is None:
            raise NasError("has no columns 'image' and 'label'")
        return told
    tried = Findings(root)
    layout = understand(tree, options, tried)
    if len(layout.parts["train"]) < 2 and options.split is None:
        told = understand_tables(tree, _tables(tree), findings)
        if told is not None:
            return told
    findings.extend(tried)
    return layout


def _tables(tree: Folder) -> list[Path]:
    return [table for folder in tree.walk() for table in folder.tables]


def chosen(layout: Layout, options: DataOptions, findings: Findings) -> tuple[str, ...]:
    """The classes that count, in their order. Errors: `NasError` where they are fewer than two."""
    train = layout.parts["train"]
    for name in options.classes:
        if name not in train:
            raise one_of("class", name, train)
    classes = options.classes or tuple(sorted(train))
    for name in sorted(set(train) - set(classes)):
        findings.add(NOT_ASKED_FOR, Path(name))
    if len(classes) < 2:
        images = sum(len(paths) for paths in train.values())
        known = f"one class, {classes[0]!r}, of {images} images" if classes else "no class"
        raise NasError(
            f"two classes are needed, {known} was found: each class needs a folder with its images "
            "(in train/ and val/ or without them), or a labels.csv of image,label"
        )
    return classes


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
