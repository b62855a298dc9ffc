"""`Layout`: which images of a folder are of which part and class, from the names of its folders.

Splits are looked for before classes, at every level down to the classes' own folders, so that a
data set's parts are never its classes. What is left over is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from nas.data.doubts import check_classes, class_names, copies, images_folder, without_masks
from nas.data.findings import Findings, readable_name, shown_path
from nas.data.options import NO_SPLITS, PARTS, DataOptions, Part
from nas.data.parts import Named, part_of
from nas.data.tree import Folder
from nas.support.errors import NasError, one_of

Classes = dict[str, list[Path]]
LEFT_OUT = "folders that are neither a split nor a class are left out"
OTHER_CLASS = "folders whose class has no training images are left out"
EMPTY = "folders without images are left out"
UNLABELLED = "folders whose images have no class are left out"
BESIDE = "images outside of the folders of classes are left out"
WITHIN = "folders within a class count as part of it (--split train=CLASS makes them the classes)"
AGAIN = "folders that hold the classes once more are left out"
MASKS = "folders of masks and the like within a class are left out"
LATIN = "folder names that are not UTF-8 are read as Latin-1"


class Layout(NamedTuple):
    """The image files of each part by class, and the folders or tables each part comes from.

    Without `validation` some images of `train` are to be taken for that.
    """

    parts: dict[Part, Classes]
    sources: dict[Part, list[Path]]


def understand(root: Folder, options: DataOptions, findings: Findings) -> Layout:
    """The layout of a folder of images. Errors: `NasError` where no training class is found."""
    if isinstance(options.split, dict):
        given = {part: _given(root, names) for part, names in options.split.items()}
        return _by_parts(given, findings)
    folder = root
    while True:
        inner = alone = _alone(folder)
        if options.split is None:
            parts = splits(folder)
            if parts is not None and not (alone and _holds_splits(alone)):
                used = [f for folders in parts.values() for f in folders]
                _leave(folder, [f for f in folder.folders if f not in used], findings)
                return _by_parts(parts, findings)
            holders = [f for f in folder.holding if _holds_splits(f)]
            if len(holders) > 1:
                return _class_first(folder, holders, findings)
            inner = holders[0] if holders else alone or images_folder(folder.holding)
        if inner is None:
            return _no_parts(folder, options, findings)
        _leave(folder, [f for f in folder.folders if f is not inner], findings)
        folder = inner


def trained(layout: Layout) -> Layout:
    """The layout, whose first part is what is trained on where it has no training images."""
    first = next((part for part in PARTS if part in layout.parts), None)
    if first is None:
        return Layout({"train": {}}, {})
    names: dict[Part, Part] = {first: "train"}
    return Layout(*({names.get(p, p): v for p, v in held.items()} for held in layout))  # type: ignore[arg-type]


def splits(folder: Folder) -> dict[Part | None, list[Folder]] | None:
    """The folders of each part right under `folder`, None where these are no parts of a data set.

    A name alone is not enough among others: a part holds folders, a class called "train" images.
    """
    named = _named(folder.holding)
    if not named:
        return None
    others = [f for f in folder.holding if f.path not in named]
    parts = {name.part for name in named.values()}
    deep = {name.part for f in folder.holding if f.holding and (name := named.get(f.path))}
    if others:
        # Two parts, or one beside folders of mere images, are a data set with something beside it.
        accepted = bool(deep) and (len(parts) > 1 or not any(f.holding for f in others))
        flat = not deep and len(parts) > 1 and "train" in parts and len(others) < 2
        accepted = accepted or flat
    else:
        accepted = bool(deep) or len(parts) > 1 or len(named) == 1
    if not accepted:
        return None
    by_part: dict[Part | None, list[Folder]] = {}
    for child in folder.holding:
        if child.path in named:
            by_part.setdefault(named[child.path].part, []).append(child)
    if "train" not in by_part:
        # As in "x" beside "x-test": what holds the classes of the other parts.
        known = {name for folders in by_part.values() for f in folders for name in class_names(f)}
        alike = [f for f in others if len(class_names(f) & known) > 1]
        if len(alike) == 1:
            by_part["train"] = alike
    return by_part


def _holds_splits(folder: Folder) -> bool:
    """Whether there are the parts of a data set anywhere within it."""
    parts = splits(folder)
    two = parts is not None and (len(parts) > 1 or any(f.holding for f in folder.holding))
    return two or any(_holds_splits(child) for child in folder.holding)


def _named(folders: Iterable[Folder]) -> dict[Path, Named]:
    """The folders whose names speak of a part: plainly, or with words that two parts share."""
    read = {f.path: name for f in folders if (name := part_of(f.path.name))}
    folds = sum(name.fold for name in read.values())
    kept = {}
    for path, name in read.items():
        shared = {other.part for other in read.values() if other.rest == name.rest}
        if (name.plain and (not name.fold or folds > 1)) or len(shared) > 1:
            kept[path] = name
    return kept


def _given(root: Folder, names: Sequence[str]) -> list[Folder]:
    known = {shown_path(folder.path, root.path): folder for folder in root.walk()}
    chosen = []
    for name in names:
        folder = known.get(Path(name).as_posix()) or known.get(shown_path(Path(name), root.path))
        if folder is None:
            raise one_of(f"folder of {shown_path(root.path, root.path.parent)}", name, known)
        chosen.append(folder)
    return chosen


def _by_parts(by_part: dict[Part, list[Folder]] | dict[Part | None, list[Folder]],
              findings: Findings) -> Layout:  # fmt: skip
    """A layout of parts; the first of them that has classes is what is trained on."""
    for folder in by_part.get(None, []):  # type: ignore[call-overload]
        findings.add(UNLABELLED, folder.path)
    parts: dict[Part, Classes] = {}
    sources: dict[Part, list[Path]] = {}
    for part in PARTS:
        folders = [_unwrapped(folder, findings) for folder in by_part.get(part, [])]
        if classes := _classes(folders, parts.get("train"), findings):
            as_part: Part = part if parts else "train"
            parts[as_part], sources[as_part] = classes, [folder.path for folder in folders]
    return Layout(parts or {"train": {}}, sources)


def _unwrapped(folder: Folder, findings: Findings) -> Folder:
    """The folder that holds the classes: below those that hold one folder of folders alone, or
    one of images beside others."""
    while inner := _alone(folder) or images_folder(folder.holding):
        _leave(folder, [f for f in folder.folders if f is not inner], findings)
        folder = inner
    return folder


def _alone(folder: Folder) -> Folder | None:
    """The folder of folders that is all there is in a folder."""
    return folder.holding[0] if len(folder.holding) == 1 and folder.holding[0].holding else None


def _classes(
    folders: Sequence[Folder], known: Classes | None, findings: Findings, *, every: bool = False
) -> Classes:
    """The classes of a part's folders; those that are not `known`, where that is given, are noted.

    A class is known in any case and composition of its letters. What holds the classes once more is
    left out, unless `every` folder is one.
    """
    alike: dict[str, list[str]] = {}
    for name in known or ():
        alike.setdefault(name.casefold(), []).append(name)
    classes: Classes = {}
    for folder in folders:
        if folder.images and not folder.holding:
            findings.add(UNLABELLED, folder.path)
            continue
        for path in folder.images:
            findings.add(BESIDE, path)
        again = () if every else copies(folder.holding)
        for child in folder.folders:
            if child in again:
                findings.add(AGAIN, child.path)
                continue
            name = _class_name(child, findings)
            if known is not None and name not in known:
                (name,) = same if len(same := alike.get(name.casefold(), [])) == 1 else (name,)
            if not child.count:
                findings.add(EMPTY, child.path)
            elif known is not None and name not in known:
                findings.add(OTHER_CLASS, child.path)
            else:
                kept, masks = without_masks(child)
                for inner in masks:
                    findings.add(MASKS, inner.path)
                for inner in kept.holding if len(kept.holding) > 1 or kept.images else ():
                    findings.add(WITHIN, inner.path)
                classes.setdefault(name, []).extend(kept.everything())
    return classes


def _class_name(folder: Folder, findings: Findings) -> str:
    name, is_utf8 = readable_name(folder.path)
    if not is_utf8:
        findings.add(LATIN, folder.path)
    return name


def _class_first(folder: Folder, holders: list[Folder], findings: Findings) -> Layout:
    """The layout of CLASS/train/1.jpg, where each class has parts of its own."""
    if any(splits(h) is None or any(f.holding for f in h.holding) for h in holders):
        raise NasError(
            f"it holds several data sets: {findings.named([h.path for h in holders])}: "
            "give the folder of one"
        )
    _leave(folder, [f for f in folder.folders if f not in holders], findings)
    parts: dict[Part, Classes] = {}
    for holder in holders:
        name = _class_name(holder, findings)
        for part, folders in (splits(holder) or {}).items():
            for inner in folders:
                if part is None:
                    findings.add(UNLABELLED, inner.path)
                else:
                    parts.setdefault(part, {}).setdefault(name, []).extend(inner.everything())
    main = next((part for part in PARTS if part in parts), None)
    ordered: dict[Part, Classes] = {"train": parts.pop(main) if main else {}}
    ordered |= {
        part: {name: paths for name, paths in classes.items() if name in ordered["train"]}
        for part, classes in parts.items()
    }
    return Layout(ordered, {part: [folder.path] for part in ordered})


def _no_parts(folder: Folder, options: DataOptions, findings: Findings) -> Layout:
    """The layout of CLASS/1.jpg. A folder of mere images called "test" is none of three or more
    classes."""
    kept = list(folder.folders)
    if options.split is None and folder.holding:
        spoken = [
            f
            for f in folder.holding
            if not f.holding and (n := part_of(f.path.name)) and n.plain and n.part != "train"
        ]
        if len(folder.holding) - len(spoken) >= 2:
            for child in spoken:
                findings.add(UNLABELLED, child.path)
            kept = [f for f in kept if f not in spoken]
    held = Folder(folder.path, tuple(kept), folder.images)
    if options.split is None:
        again = copies(held.holding)
        check_classes([f for f in held.holding if f not in again])
    classes = _classes([held], None, findings, every=options.split == NO_SPLITS)
    return Layout({"train": classes}, {"train": [folder.path]})


def _leave(folder: Folder, left: Iterable[Folder], findings: Findings) -> None:
    for child in left:
        findings.add(LEFT_OUT if child.count else EMPTY, child.path)
    for path in folder.images:
        findings.add(BESIDE, path)
