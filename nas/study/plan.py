"""`Plan`: a study that may be begun or gone on with, and how it gets its name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from nas.budget import parse_budgets
from nas.data import DataSet, check_read_again
from nas.latency.target import target_path
from nas.plugins import options_of
from nas.study.candidates import Candidates
from nas.study.objectives import check_objectives
from nas.study.samplers.registry import SAMPLERS
from nas.study.settings import StudySettings
from nas.study.storage.storage import Storage, Taken, check_name
from nas.study.study import Study
from nas.support.errors import NasError

LONGEST_SHOWN = 80  # characters of a setting
FOLLOWING = {"version", "training_steps"}  # settings that follow from data and recipe
OF_PARENT = {"start_from", "pruning_enough"}  # and, where a network is pruned, from its weights


class Plan(NamedTuple):
    """A study that may be begun: all that could be wrong with it was checked. Without a `name` it
    is named by the `stem`."""

    settings: StudySettings
    candidates: Candidates
    storage: Storage
    name: str | None
    stem: str


def check_names(
    target: str | Path,
    budgets: Sequence[str],
    sampler: str,
    objectives: Sequence[str],
    name: str | None,
) -> None:
    """What a study is given that can be wrong whatever its data are, which take long to read.
    Errors: `NasError`."""
    parse_budgets(budgets)
    target_path(target)  # its table takes longer to read, and the study reads it
    SAMPLERS[sampler]
    check_objectives(objectives)
    if name is not None:
        check_name(name)


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


def begun_before(plan: Plan) -> tuple[Study | None, str]:
    """The study that these very settings began before, if there is one, and what there is to be
    said: of it, or else of another that has the name.

    Only the number of trials may differ, where no networks are trained in between. Errors: `Taken`
    where the study of the plan's own name is another.
    """
    taken, notice, how = set(plan.storage.names()), "", ""
    for name in [plan.name] if plan.name else numbered(plan.stem):
        if name not in taken:
            break
        needed = changed = ""
        try:
            there = Study.open(plan.storage, name)
            needed = options_of(there.settings.plugins)
            changed = _changed_plugin(there.settings, plan.settings)
            differs = changed or _difference(there.settings, plan.settings)
        except NasError as error:
            differs = str(error)
        if not differs:
            there.load_plugins()
            done = there.tally().trials
            return there, f"going on with study '{name}', which has {done} trials" if done else ""
        notice = notice or f"study '{name}' is of another search: {differs}"
        how = f"go on with it: nas resume {plan.storage.named(name)}{needed}"
        if changed:  # with which it cannot go on
            how = "take another --study"
    if plan.name and notice:
        raise Taken(f"{notice}; {how}")
    return None, notice


def _difference(there: StudySettings, wanted: StudySettings) -> str:
    """The first setting in which a stored study is another search; "" where there is none."""
    may_differ = FOLLOWING | (OF_PARENT if wanted.pruning else set())
    if not (wanted.learn or wanted.train_minutes):
        may_differ.add("trials")
    stored, other = _flat(there), _flat(wanted)
    for key, value in stored.items():
        if key not in may_differ and value != other.get(key):
            texts = [str(v) for v in (value, other.get(key))]
            long = (
                key == "plugins" or key.endswith("checksum") or max(map(len, texts)) > LONGEST_SHOWN
            )
            return key.replace("_", " ") + ("" if long else f" {texts[0]}, not {texts[1]}")
    return ""


def _changed_plugin(there: StudySettings, wanted: StudySettings) -> str:
    """The first plugin of a stored study whose file is another now; "" where there is none."""
    now = {file.path: file.sha256 for file in wanted.plugins}
    changed = (f.path for f in there.plugins if now.get(f.path, f.sha256) != f.sha256)
    return next((f"plugin {path} has changed since it began" for path in changed), "")


def _flat(settings: StudySettings) -> dict[str, object]:
    """The settings as JSON types, each of pruning by itself."""
    flat: dict[str, Any] = json.loads(settings.model_dump_json())
    flat["plugins"] = sorted(file["sha256"] for file in flat["plugins"])  # wherever they are now
    pruning = flat.pop("pruning") or {}
    return flat | {f"pruning_{key}": value for key, value in pruning.items()}


def of_target(target: str | Path, candidates: Candidates) -> dict[str, Any]:
    """The settings that say what the candidates are for; `target` is as the user named it."""
    device = candidates.target
    return {
        "target": str(target) if Path(target).suffix in (".yaml", ".yml") else device.name,
        "target_checksum": device.checksum,
        "budgets": [budget.text for budget in candidates.budgets],
    }


def of_data(data: DataSet) -> dict[str, Any]:
    """The settings that say on which images networks are trained and judged. Errors: `NasError`
    where these are a program's own arrays, which nothing reads again."""
    check_read_again(data)
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
