"""Tables of trained networks: a strictly read CSV, and beside it a YAML saying what was trained.

Columns: network, recipe, decoder, choices, accuracy, seeds. `network` is a label; `decoder` and
`choices` write its architecture (`nas.accuracy.decoders`); `accuracy` is in percent, the mean over
`seeds` trainings. The YAML names the task, its source, and every recipe with the standard deviation
in points between trainings that differ by the seed alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from nas.accuracy.decoders import JSON, decoded
from nas.architecture import Architecture
from nas.support.errors import NasError, one_of
from nas.support.tables import read_csv, write_csv
from nas.support.validation import Settings, validated
from nas.support.yaml import read_yaml

COLUMNS = ("network", "recipe", "decoder", "choices", "accuracy", "seeds")
FOLDER = Path(__file__).parent / "tables"
Text = Annotated[str, Field(min_length=1)]


class TableRecipe(Settings):
    """How networks were trained: who says so, the deviation in points between seeds, and the steps
    of the optimiser where they did not suffice to the end."""

    source: Text
    noise: Annotated[float, Field(gt=0, le=20, allow_inf_nan=False)]
    steps: Annotated[int, Field(ge=1)] | None = None
    about: str = ""


class TableMetadata(Settings):
    """What a table's accuracies are: the task (data set and measure) and the recipes."""

    task: Text
    recipes: Annotated[dict[str, TableRecipe], Field(min_length=1)]
    about: str = ""


class TableRow(NamedTuple):
    """One network under one recipe: its accuracy in percent, the mean over `seeds` trainings."""

    network: str
    recipe: str
    decoder: str
    choices: str
    accuracy: float
    seeds: int

    @classmethod
    def of(
        cls, arch: Architecture, recipe: str, accuracy: float, seeds: int = 1, network: str = ""
    ) -> TableRow:
        """A row of an explicit architecture."""
        text = json.dumps(arch.renamed("").to_dict(), separators=(",", ":"), sort_keys=True)
        return cls(network or arch.name, recipe, JSON, text, accuracy, seeds)

    def architecture(self) -> Architecture:
        """The network. Errors: `NasError` where the choices are none of the decoder's."""
        return decoded(self.decoder, self.choices)


class AccuracyTable(NamedTuple):
    """A table: its name, what it is of, its rows."""

    name: str
    metadata: TableMetadata
    rows: tuple[TableRow, ...]


def write_rows(path: Path, rows: Iterable[TableRow]) -> None:
    """Writes the CSV whole."""
    cells = ((*row[:4], f"{row.accuracy:.6g}", row.seeds) for row in rows)
    write_csv(path, COLUMNS, cells)


def read_accuracy_table(path: Path) -> AccuracyTable:
    """The table of a CSV and of the YAML beside it.

    Errors: `NasError` naming the file, the row and the rule it breaks.
    """
    source = f"accuracy table {path.with_suffix('.yaml')}"
    data = read_yaml(path.with_suffix(".yaml"), source)
    metadata = validated(TableMetadata, data, source)
    rows = read_csv(
        path,
        f"accuracy table {path}",
        COLUMNS,
        partial(_row, metadata),
        lambda row: (row.recipe, row.architecture().hash),
    )
    return AccuracyTable(path.stem, metadata, tuple(rows))


def _row(metadata: TableMetadata, cells: list[str]) -> TableRow:
    network, recipe, decoder, choices, accuracy, seeds = cells
    if recipe not in metadata.recipes:
        raise one_of("recipe", recipe, metadata.recipes)
    try:
        value, count = float(accuracy), int(seeds)
    except ValueError:
        raise NasError(
            f"accuracy and seeds must be numbers, not {accuracy!r:.40}, {seeds!r:.40}"
        ) from None
    if not isfinite(value) or not 0 <= value <= 100:
        raise NasError(f"accuracy must be from 0 to 100 percent, not {accuracy}")
    if count < 1:
        raise NasError(f"seeds must be at least 1, not {seeds}")
    return TableRow(network, recipe, decoder, choices, value, count)
