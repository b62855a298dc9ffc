"""Beginning a study: everything that could be wrong with it is checked before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from nas import plugins
from nas.blocks import KINDS
from nas.budget import parse_budgets
from nas.data import READERS, DataSet, find_reader, load_data
from nas.data.fit import fit_space
from nas.latency import Target
from nas.proxies import PROXIES
from nas.proxies.registry import checked
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.study.config import write_config
from nas.study.driver import Driver
from nas.study.notices import space_file
from nas.study.objectives import check_objectives
from nas.study.progress import Report
from nas.study.samplers.registry import SAMPLERS, check_cascade, default_cascade
from nas.study.settings import StudySettings
from nas.study.storage.storage import Storage
from nas.study.study import Study
from nas.study.warm_start import assignments
from nas.support.errors import NasError
from nas.support.validation import validated
from nas.training.recipe import Recipe


class Options(TypedDict, total=False):
    """What a study may be given beyond target, budgets and space."""

    name: str | None
    storage: str | None
    sampler: str
    objectives: Sequence[str]
    proxies: Sequence[str] | None
    trials: int
    seed: int
    data: str | DataSet | None
    finalists: int
    recipe: Recipe
    start_from: Sequence[str | dict[str, Any]]
    cascade: int | None


def begin(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = "mobile",
    **options: Unpack[Options],
) -> Study:
    """A new, stored study without trials, after everything that could be wrong was checked.

    `name` is made of target and budgets unless given. Plugins that were loaded and that the study
    uses are stored with it. `data` gives the space its classes, channels and resolution, and its
    best `finalists` networks are trained by `recipe` when the driver's search is done (by
    `study.finalists.run_finalists`). `start_from` names what the first trials are; see
    `study.warm_start.assignments`. `cascade` is how many proposals are screened for a trial.
    Errors: `NasError` for an unknown name, a budget that cannot be met, or a place that cannot be
    written.
    """
    plugins.load_installed()
    loaded = space if isinstance(space, SearchSpace) else SearchSpace.load(space)
    device, limits = Target.load(target), parse_budgets(budgets)
    source, found = options.get("data"), None
    facts: dict[str, object] = {}
    if source is not None:
        found = source if isinstance(source, DataSet) else load_data(source)
        loaded, options["data"] = fit_space(loaded, found), found.source
        facts = {"data_options": found.options, "data_checksum": found.checksum}
    elif options.get("finalists"):
        raise NasError("finalists are trained on data: give a data set too")
    data = {
        "space": loaded.to_dict(),
        "space_file": None if isinstance(space, SearchSpace) else space_file(space),
        "target": str(target) if Path(target).suffix in (".yaml", ".yml") else device.name,
        "target_checksum": device.checksum,
        "budgets": [budget.text for budget in limits],
        **facts,
        **({"proxies": loaded.settings.proxies} if loaded.settings.proxies else {}),
        **{
            key: value
            for key, value in options.items()
            if key not in ("name", "storage", "start_from") and value is not None
        },
    }
    settings = validated(StudySettings, data, "search")
    if found is not None and settings.finalists:
        from nas.training.run import check_images  # needs torch

        check_images(found, settings.recipe)
    check_cascade(settings.sampler, settings.cascade)
    check_objectives(settings.objectives)
    checked(settings.proxies)
    cascade = options.get("cascade") or default_cascade(settings.sampler, settings.proxies)
    used = plugins.providers(
        (KINDS, _kinds(loaded)),
        (PROXIES, settings.proxies),
        (SAMPLERS, [settings.sampler]),
        (READERS, [] if settings.data is None else [find_reader(settings.data).name]),
    )
    candidates = Candidates(loaded, device, limits)
    candidates.check(settings.seed)
    place = Storage(options.get("storage"))
    first = assignments(options.get("start_from", ()), candidates, place, settings.seed)
    settings = settings.model_copy(
        update={"plugins": used, "start_from": first, "cascade": cascade}
    )
    name = options.get("name")
    if name is None:
        name = _free_name(place, [loaded.name, device.name, *settings.budgets])
    study = Study.create(name, settings, place)
    write_config(study)
    return study


def search(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = "mobile",
    report: Report = lambda progress: None,
    **options: Unpack[Options],
) -> Study:
    """Begins a study and runs all of its trials; see `begin`. `Study.load(name)` finds it again."""
    study = begin(target, budgets, space, **options)
    Driver(study, report=report).run(study.settings.trials)
    return study


def _kinds(space: SearchSpace) -> set[str]:
    """The kinds of block that a network of the space may have."""
    found = space.settings
    parts = [*found.stem.values(), *found.head.values()]
    stages = [name for stage in found.stages for name in (*stage.block, *stage.down_rows)]
    return {row.kind for rows in parts for row in rows} | {*stages} - {"stride"}


def _free_name(storage: Storage, words: Sequence[str]) -> str:
    """The words as a name, numbered where it is taken."""
    text = "-".join(words).lower()
    stem = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in text)
    stem = stem.strip(".-")[:90] or "study"
    taken, n = set(storage.names()), 1
    while (name := stem if n == 1 else f"{stem}-{n}") in taken:
        n += 1
    return name
