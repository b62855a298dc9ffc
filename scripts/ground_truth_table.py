"""The table of trained networks, `scripts/results/ground_truth.csv`: one row a run, typed.

from ground_truth_table import load, networks
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple, get_type_hints

from nas import Architecture, NasError
from nas.support.tables import read_csv, write_csv

TABLE = Path(__file__).parent / "results" / "ground_truth.csv"


class Run(NamedTuple):
    """One training of one network of the plan.

    `number` is the network's place in the plan; `group` its family, or `mixed`; `depth` its count
    of blocks in stages; `accuracy` (0 to 1) and `loss` (cross entropy) are of the test images.
    """

    number: int
    seed: int
    group: str
    accuracy: float
    loss: float
    macs: int
    params: int
    peak_bytes: int
    depth: int
    resolution: int
    seconds: float
    hash: str
    machine: str
    recipe: str
    architecture: str

    @property
    def arch(self) -> Architecture:
        """The network."""
        return Architecture.from_json(self.architecture)


class Network(NamedTuple):
    """One network of the table with its runs, in the order of their seeds."""

    first: Run
    runs: tuple[Run, ...]

    @property
    def accuracy(self) -> float:
        """The mean over its seeds."""
        return fmean(run.accuracy for run in self.runs)


_TYPES = get_type_hints(Run)


def load(path: Path = TABLE) -> list[Run]:
    """Every run of a table, none where there is no file yet.

    Errors: `NasError` naming the file, the row and the rule.
    """
    if not path.exists():
        return []
    return read_csv(path, str(path), Run._fields, _run, lambda run: (run.hash, run.seed))


def _run(cells: list[str]) -> Run:
    try:
        run = Run(*(kind(cell) for kind, cell in zip(_TYPES.values(), cells, strict=True)))
    except ValueError as error:
        raise NasError(str(error)) from None
    if not 0 <= run.accuracy <= 1:
        raise NasError(f"accuracy {run.accuracy} must be from 0 to 1")
    return run


def save(runs: Iterable[Run], path: Path = TABLE) -> None:
    """Writes the table whole, in the order of the plan."""
    write_csv(path, Run._fields, in_order(runs))


def in_order(runs: Iterable[Run]) -> list[Run]:
    """By network and seed."""
    return sorted(runs, key=lambda run: (run.number, run.seed))


def networks(runs: Iterable[Run]) -> list[Network]:
    """The runs by network."""
    found: dict[str, list[Run]] = {}
    for run in in_order(runs):
        found.setdefault(run.hash, []).append(run)
    return [Network(members[0], tuple(members)) for members in found.values()]
