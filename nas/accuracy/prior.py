"""The shipped prior: sums over tables of trained networks, as plain arrays, read strictly.

`scripts/fit_accuracy.py` writes it. Tables whose rows are shipped carry the checksum of their CSV
and are summed anew when it has changed; those whose rows are not ours to ship have their sums
alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from nas.accuracy.effects import LOCAL, SHARED, brevity, shared
from nas.accuracy.features import Matrix, Vector, network_sums
from nas.accuracy.regression import Squares, log_odds, squares
from nas.accuracy.residual import Residual
from nas.accuracy.table import FOLDER, AccuracyTable, read_accuracy_table
from nas.imported import Network
from nas.networks import made_here
from nas.support.errors import NasError
from nas.support.files import read_text
from nas.support.validation import Settings, validated

FORMAT = 1
PRIOR = Path(__file__).parent / "prior.json"
Number = Annotated[float, Field(allow_inf_nan=False)]
Array = list[Number]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class StoredResidual(Settings):
    """A `Residual`: symmetric matrices by their lower triangle, others row after row."""

    landmarks: Annotated[list[Array], Field(min_length=1)]
    pp: Array
    px: list[Array]
    py: Array


class StoredTable(Settings):
    """A table's sums. checksum: of the rows that were summed."""

    checksum: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    source: str
    rows: Annotated[int, Field(ge=2)]
    xx: Array
    xy: Array
    yy: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    residual: StoredResidual | None = None


class StoredScale(Settings):
    """What makes a task's accuracy of effects.

    At `center`, the SHARED features of a network whose training is as brief as can be, the log odds
    are `level`: means over published recipes, those of the `_brief` features without an effect of
    their own. `spread` is the deviation between recipes, at least that between ImageNet's, `slope`
    and `noise` (variance) are the table's.
    """

    task: str
    classes: Annotated[int, Field(ge=2)]
    center: Annotated[Array, Field(min_length=len(SHARED), max_length=len(SHARED))]
    level: Number
    spread: Positive
    slope: Positive
    noise: Positive


class StoredPrior(Settings):
    """The prior's file.

    features: the names of SHARED and LOCAL that were summed.
    """

    format: Annotated[int, Field(ge=FORMAT, le=FORMAT)]
    features: list[str]
    scales: Annotated[list[StoredScale], Field(min_length=1)]
    tables: Annotated[dict[str, StoredTable], Field(min_length=1)]


def feature_names() -> list[str]:
    """What sums are over: a prior with other names belongs to another version."""
    return [*SHARED, *(f"local {name}" for name in LOCAL)]


def sums_of(networks: Iterable[Network]) -> Matrix:
    """`network_sums` of networks, one a row. Errors: `NasError` for one that another program wrote,
    or for what is none."""
    made = (made_here(arch, "a prediction of its accuracy") for arch in networks)
    return np.array([network_sums(arch) for arch in made])


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


def table_columns(table: AccuracyTable) -> tuple[Matrix, Vector, list[str]]:
    """A table's SHARED features, its log odds and its recipes."""
    sums = sums_of(row.architecture() for row in table.rows)
    odds = log_odds(np.array([row.accuracy for row in table.rows]) / 100)
    recipes = [row.recipe for row in table.rows]
    brief = [brevity(table.metadata.recipes[name].steps) for name in recipes]
    return shared(sums, np.array(brief)), odds, recipes


@lru_cache(maxsize=4)
def read_prior(path: Path = PRIOR) -> tuple[StoredPrior, dict[str, Squares], dict[str, Residual]]:
    """The file, every table's squares and the residuals of those that have one.

    Errors: `NasError` naming the file and what is wrong.
    """
    source = f"accuracy prior {path}"
    stored = validated(StoredPrior, read_text(path, source), source)
    if stored.features != feature_names():
        raise NasError(f"{source}: of other features: run scripts/fit_accuracy.py")
    tables, residuals = {}, {}
    for name, table in stored.tables.items():
        try:
            tables[name] = _squares(table)
            if table.residual:
                residuals[name] = _residual(table.residual)
        except ValueError as error:
            raise NasError(f"{source}: table '{name}': {error}") from None
    return stored, _current(tables, stored), residuals


def _current(tables: dict[str, Squares], stored: StoredPrior) -> dict[str, Squares]:
    """The squares, summed anew for tables of the folder that are new or have changed."""
    current = dict(tables)
    for path in sorted(FOLDER.glob("*.csv")):
        known = stored.tables.get(path.stem)
        if known is None or known.checksum != checksum(path):
            current[path.stem] = squares(*table_columns(read_accuracy_table(path)))
    return current


def _squares(table: StoredTable) -> Squares:
    size = len(SHARED)
    if len(table.xy) != size:
        raise ValueError(f"xy has {len(table.xy)} numbers, not {size}")
    return Squares(table.rows, unpacked(table.xx, size), np.array(table.xy), table.yy)


def _residual(stored: StoredResidual) -> Residual:
    count = len(stored.landmarks)
    shapes = {
        "landmarks": (np.array(stored.landmarks), (count, len(LOCAL))),
        "px": (np.array(stored.px), (count, len(SHARED))),
        "py": (np.array(stored.py), (count,)),
    }
    for name, (values, shape) in shapes.items():
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape}, not {shape}")
    pp = unpacked(stored.pp, count)
    return Residual(shapes["landmarks"][0], pp, shapes["px"][0], shapes["py"][0])


def packed(matrix: Matrix) -> list[float]:
    """The lower triangle of a symmetric matrix, row after row."""
    values: list[float] = matrix[np.tril_indices(len(matrix))].tolist()
    return values


def unpacked(values: list[float], size: int) -> Matrix:
    """The symmetric matrix of a lower triangle. Errors: `ValueError` for a wrong length."""
    if len(values) != size * (size + 1) // 2:
        raise ValueError(f"{len(values)} numbers make no triangle of {size} rows")
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = values
    return matrix + np.tril(matrix, -1).T


def dumped(prior: StoredPrior) -> str:
    """The file's text, numbers to eight digits."""
    data = json.loads(prior.model_dump_json(), parse_float=lambda text: float(f"{float(text):.8g}"))
    return json.dumps(data, separators=(",", ":")) + "\n"
