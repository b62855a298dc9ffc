"""What is trained is remembered in the user's own accuracy table of the data set."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from nas.accuracy.own import append_rows, own_table, read_own
from nas.accuracy.table import TableRow
from nas.architecture import Architecture
from nas.data.dataset import DataSet
from nas.training.recipe import Recipe


def remember(data: DataSet, recipe: Recipe, trained: Iterable[tuple[Architecture, float]]) -> None:
    """Adds networks that were trained to the end by the recipe, with validation accuracies in
    percent, to the data set's table in the working directory."""
    rows = [TableRow.of(arch, recipe_name(recipe), accuracy) for arch, accuracy in trained]
    task = f"validation accuracy on {data.source}"
    append_rows(own_table(data.source, data.checksum), task, recipe.model_dump_json(), rows)


def remembered(data: DataSet, recipe: Recipe) -> list[tuple[Architecture, float]]:
    """What the data set's table has of the recipe, with accuracies in percent."""
    table = read_own(own_table(data.source, data.checksum))
    rows = [row for row in table.rows if row.recipe == recipe_name(recipe)] if table else []
    return [(row.architecture(), row.accuracy) for row in rows]


def recipe_name(recipe: Recipe) -> str:
    """A name of a recipe by its contents, but for what only a training with a teacher reads, and
    for settings that a recipe of an older version, which has them not, leaves as they are."""
    plain = Recipe()
    newer = (
        "body_rate", "norm_sparsity", "resized_crop", "trivial_augment", "mixup", "cutmix",
        "erasing", "balance", "patience",
    )  # fmt: skip
    defaults = {key for key in newer if getattr(recipe, key) == getattr(plain, key)}
    text = recipe.model_dump_json(exclude={"distillation", "temperature"} | defaults)
    return f"{recipe.epochs} epochs {sha256(text.encode()).hexdigest()[:8]}"
