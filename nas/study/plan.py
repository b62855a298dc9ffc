"""`Plan`: a study that may be begun, and how it gets its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from nas.data import DataSet
from nas.study.candidates import Candidates
from nas.study.settings import StudySettings
from nas.study.storage.storage import Storage, Taken
from nas.study.study import Study


class Plan(NamedTuple):
    """A study that may be begun: all that could be wrong with it was checked. Without a `name` it
    is named by the `stem`."""

    settings: StudySettings
    candidates: Candidates
    storage: Storage
    name: str | None
    stem: str


def created(plan: Plan) -> Study:
    """The study of a plan, stored; without a name of its own under the next that is free."""
    while True:
        name = plan.name
        if name is None:
            taken = set(plan.storage.names())
            name = next(each for each in numbered(plan.stem) if each not in taken)
        try:
            return Study.create(name, plan.settings, plan.storage, plan.candidates)
        except Taken:
            if plan.name is not None:
                raise  # else another process was faster


def of_target(target: str | Path, candidates: Candidates) -> dict[str, Any]:
    """The settings that say what the candidates are for; `target` is as the user named it."""
    device = candidates.target
    return {
        "target": str(target) if Path(target).suffix in (".yaml", ".yml") else device.name,
        "target_checksum": device.checksum,
        "budgets": [budget.text for budget in candidates.budgets],
    }


def of_data(data: DataSet) -> dict[str, Any]:
    """The settings that say on which images networks are trained and judged."""
    return {"data": data.source, "data_options": data.options, "data_checksum": data.checksum}


def stem_of(words: Sequence[str]) -> str:
    """The words as a name."""
    text = "-".join(words).lower()
    stem = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in text)
    return stem.strip(".-")[:90] or "study"


def numbered(stem: str) -> Iterator[str]:
    """Yields NAME, NAME-2, NAME-3, ..."""
    yield stem
    yield from (f"{stem}-{n}" for n in count(2))
