"""A user's own accuracy table of a data set: every network trained on it, in `accuracy_tables/`."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from nas.accuracy.table import (
    AccuracyTable,
    TableMetadata,
    TableRecipe,
    TableRow,
    read_accuracy_table,
    write_rows,
)
from nas.support.files import write_whole

FOLDER = Path("accuracy_tables")  # in the working directory
NOISE = 0.5  # points between seeds, where nothing is known of a recipe


def own_table(source: str, checksum: str) -> Path:
    """The path of the table of a data set with that source and checksum."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(source).name.lower()).strip("-") or "data"
    return FOLDER / f"{stem}-{checksum[:8]}.csv"


def read_own(path: Path) -> AccuracyTable | None:
    """The table, None before there is one. Errors: `NasError` where it is damaged."""
    return read_accuracy_table(path) if path.exists() else None


def append_rows(path: Path, task: str, about: str, rows: Iterable[TableRow]) -> None:
    """Adds the rows that are not there yet, all of one recipe, which `about` describes.

    The table is made where there is none. Several processes may do so at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        table = read_own(path)
        known = list(table.rows) if table else []
        seen = {(row.recipe, row.architecture().hash) for row in known}
        new = [row for row in rows if (row.recipe, row.architecture().hash) not in seen]
        if not new:
            return
        recipes = dict(table.metadata.recipes) if table else {}
        for row in new:
            source = "trained here; the noise is assumed"
            recipes.setdefault(row.recipe, TableRecipe(source=source, noise=NOISE, about=about))
        metadata = TableMetadata(task=task, recipes=recipes)
        # The metadata first: a recipe without rows is no error, a row without its recipe is.
        text = yaml.safe_dump(metadata.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_whole(path.with_suffix(".yaml"), text)
        write_rows(path, [*known, *new])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
