"""What speaks against folders being classes, by their names and by what is within them."""

from __future__ import annotations

from collections.abc import Sequence

from nas.data.findings import shown_path
from nas.data.parts import are_of_one, is_beside, is_generic, is_series, part_of
from nas.data.tree import Folder
from nas.support.errors import NasError


def unwrapped(folder: Folder) -> Folder:
    """The folder, or the one below it that holds more than one folder of folders alone."""
    while len(folder.holding) == 1 and folder.holding[0].holding:
        folder = folder.holding[0]
    return folder


def class_names(folder: Folder) -> set[str]:
    """The names of the classes that a folder may hold, in itself or further below."""
    names = {child.path.name for child in unwrapped(folder).holding}
    return names if len(names) > 1 else set()


def copies(folders: Sequence[Folder]) -> list[Folder]:
    """Those among classes that hold the classes once more, as some archives do."""
    names = {folder.path.name for folder in folders}
    return [folder for folder in folders if len(class_names(folder) & names) > 1]


def images_folder(folders: Sequence[Folder]) -> Folder | None:
    """The one that is called "images" or the like and holds folders of images, beside others that
    do not hold the same, except for masks."""
    others = [f for f in folders if not is_beside(f.path.name)]
    found = [f for f in others if is_generic(f.path.name) and class_names(f)]
    if len(found) != 1 or len(folders) < 2:
        return None
    names = class_names(found[0])
    same = [f for f in others if f is not found[0] and len(class_names(f) & names) > 1]
    return None if same else found[0]


def without_masks(folder: Folder) -> tuple[Folder, list[Folder]]:
    """A class's folder without those beside its images that are called masks or the like."""
    beside = [child for child in folder.holding if is_beside(child.path.name)]
    others = [child for child in folder.holding if child not in beside]
    if not (others or folder.images) or not all(is_generic(f.path.name) for f in others):
        return folder, []
    kept = tuple(child for child in folder.folders if child not in beside)
    return Folder(folder.path, kept, folder.images), beside


def check_classes(folders: Sequence[Folder]) -> None:
    """Checks folders. Errors: `NasError` where they are more likely something else than classes."""
    if len(folders) < 2:
        return
    names = [shown_path(folder.path, folder.path.parent) for folder in folders]
    if all(map(is_generic, names)) or are_of_one(names):
        raise NasError(
            f"{_listed(names)} are hardly classes: each class needs a folder with its images, or a "
            "labels.csv of image,label; --split none if they are"
        )
    holders: dict[str, list[str]] = {}
    for name, folder in zip(names, folders, strict=True):
        inner_names = class_names(folder)
        for inner in inner_names if not all(map(is_generic, inner_names)) else ():
            holders.setdefault(inner, []).append(name)
    shared = sorted(inner for inner, tops in holders.items() if len(tops) > 1)
    # Series such as cat/2021 and dog/2021 are usual within classes.
    if len(shared) > 1 and (not is_series(shared) or is_series(names)):
        tops = holders[shared[0]]
        raise NasError(
            f"{_listed(tops)} hold the same folders ({_listed(shared)}): give the folder of one, "
            f"or --split train={tops[0]} (and so on) if they are splits, or --split none if they "
            "are the classes"
        )
    deep = [name for name, folder in zip(names, folders, strict=True) if class_names(folder)]
    spoken = [name for name in names if (n := part_of(name)) and (n.plain or n.part != "train")]
    if deep and spoken:
        first = next((name for name in deep if name != spoken[0]), "FOLDER")
        raise NasError(
            f"{_listed(spoken)} beside {_listed([n for n in names if n not in spoken])}: --split "
            f"train={first} --split test={spoken[0]} (or the like) if they are splits, --split "
            "none if they are classes"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
