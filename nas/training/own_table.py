"""What is trained is remembered in the user's own accuracy table of the data set."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import combinations
from pathlib import Path

from nas import plugins
from nas.accuracy.own import FOLDER, append_rows, own_table, read_own
from nas.accuracy.table import TableRow
from nas.architecture import Architecture
from nas.blocks import KINDS
from nas.data.dataset import DataSet
from nas.plugins import PluginFile
from nas.support.errors import NasError, NasNote, NasWarning
from nas.training.recipe import Recipe

MOST_PLUGINS = 3  # whose blocks one network has


def remember(data: DataSet, recipe: Recipe, trained: Iterable[tuple[Architecture, float]]) -> None:
    """Adds networks that were trained to the end by the recipe, not by a limit of time, with
    validation accuracies in percent, to the data set's table in the working directory. Networks
    with blocks of plugins have a table of their own, which is read where these are loaded."""
    by_path: dict[Path, list[TableRow]] = {}
    for arch, accuracy in trained:
        files = plugins.providers((KINDS, {row.kind for row in arch.rows()}))
        row = TableRow.of(arch, recipe_name(recipe), accuracy)
        by_path.setdefault(_path(data, files), []).append(row)
    task = f"validation accuracy on {data.source}"
    new = not FOLDER.exists()
    try:
        for path, rows in by_path.items():
            append_rows(path, task, recipe.model_dump_json(), rows)
    except (OSError, NasError) as error:  # the trainings themselves are whole
        why = error if isinstance(error, NasError) else f"{FOLDER}: {error.strerror}"
        said = f"accuracies are not kept for later searches: {why}"
        warnings.warn(said, NasWarning, stacklevel=2)
    else:
        if new and by_path:
            use = "searches with --learn begin with it"
            warnings.warn(
                f"accuracies are kept in {FOLDER.absolute()}: {use}", NasNote, stacklevel=2
            )


def remembered(data: DataSet, recipe: Recipe) -> list[tuple[Architecture, float]]:
    """What the data set's tables have of the recipe, with accuracies in percent."""
    kept = (read_own(_path(data, files)) for files in _sets(plugins.loaded()))
    rows = [row for table in kept if table for row in table.rows]
    name = recipe_name(recipe)
    return [(row.architecture(), row.accuracy) for row in rows if row.recipe == name]


def _path(data: DataSet, files: Iterable[PluginFile]) -> Path:
    """The table of networks whose blocks those plugins registered."""
    path = own_table(data.source, data.checksum)
    return path.with_name(path.stem + "".join(f"-{f.sha256[:8]}" for f in files) + path.suffix)


def _sets(files: Sequence[PluginFile]) -> Iterator[tuple[PluginFile, ...]]:
    """Yields what may have registered a network's blocks, nothing first, as they were loaded."""
    for count in range(min(len(files), MOST_PLUGINS) + 1):
        yield from combinations(files, count)


def recipe_name(recipe: Recipe) -> str:
    """A name of a recipe by its contents, but for what only a training with a teacher reads, and
    for settings that a recipe of an older version, which has them not, leaves as they are."""
    plain = Recipe()
    newer = (
        "body_rate", "norm_sparsity", "resized_crop", "trivial_augment", "mixup", "cutmix",
        "erasing", "balance", "patience", "minutes",
    )  # fmt: skip
    defaults = {key for key in newer if getattr(recipe, key) == getattr(plain, key)}
    text = recipe.model_dump_json(exclude={"distillation", "temperature"} | defaults)
    return f"{recipe.epochs} epochs {sha256(text.encode()).hexdigest()[:8]}"
