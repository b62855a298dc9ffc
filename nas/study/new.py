"""Beginning a study: everything that could be wrong with it is checked before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from nas import plugins
from nas.blocks import KINDS
from nas.budget import parse_budgets
from nas.data import READERS, find_reader, load_data
from nas.data.fit import fit_space
from nas.defaults import DEFAULT_OBJECTIVES, DEFAULT_SAMPLER, DEFAULT_SPACE, DEFAULT_TRIALS
from nas.latency import Target
from nas.proxies import PROXIES
from nas.proxies.registry import checked
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.study.config import write_config
from nas.study.driver import Driver
from nas.study.notices import space_file
from nas.study.objectives import check_objectives
from nas.study.progress import SearchReport
from nas.study.samplers.registry import SAMPLERS, check_cascade, default_cascade
from nas.study.settings import FINALIST_RECIPE, StudySettings
from nas.study.storage.storage import Storage, Taken
from nas.study.study import Study
from nas.study.warm_start import assignments
from nas.support.errors import NasError
from nas.support.validation import validated
from nas.training.recipe import Recipe


class Options(TypedDict, total=False):
    """Options of a study beyond target, budgets and space; `search` says what each means."""

    name: str | None
    storage: str | None
    sampler: str
    objectives: Sequence[str]
    proxies: Sequence[str] | None
    trials: int
    seed: int
    data: str | None
    finalists: int
    recipe: Recipe
    start_from: Sequence[str | dict[str, Any]]
    cascade: int | None


def begin(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = DEFAULT_SPACE,
    **options: Unpack[Options],
) -> Study:
    """A new, stored study without trials, after everything that could be wrong was checked.

    Parameters, defaults and errors are those of `search`. Plugins that were loaded and that the
    study uses are stored with it.
    """
    plugins.load_installed()
    loaded = space if isinstance(space, SearchSpace) else SearchSpace.load(space)
    device, limits = Target.load(target), parse_budgets(budgets)
    source = options.get("data")
    if source is not None:
        dataset = load_data(source)
        loaded, options["data"] = fit_space(loaded, dataset), dataset.source
    elif options.get("finalists"):
        raise NasError("finalists are trained on data: give a data set too")
    candidates = Candidates(loaded, device, limits)
    settings = _settings(target, space, candidates, options)
    candidates.check(settings.seed)
    storage = Storage(options.get("storage"))
    first = assignments(options.get("start_from", ()), candidates, storage, settings.seed)
    settings = settings.model_copy(update={"start_from": first})
    name = options.get("name")
    words = [loaded.name, device.name, *settings.budgets]
    if name is None:
        name = _free_name(storage, words)
    while True:
        try:
            study = Study.create(name, settings, storage, candidates)
        except Taken:
            if options.get("name") is not None:
                raise
            name = _free_name(storage, words)  # another process was faster
        else:
            write_config(study)
            return study


def _settings(
    target: str | Path, space: str | Path | SearchSpace, candidates: Candidates, options: Options
) -> StudySettings:
    """The settings that are stored, but for the first trials. Errors: see `begin`."""
    loaded, device = candidates.space, candidates.target
    data = {
        "space": loaded.to_dict(),
        "space_file": None if isinstance(space, SearchSpace) else space_file(space),
        "target": str(target) if Path(target).suffix in (".yaml", ".yml") else device.name,
        "target_checksum": device.checksum,
        "budgets": [budget.text for budget in candidates.budgets],
        **({"proxies": loaded.settings.proxies} if loaded.settings.proxies else {}),
        **{
            key: value
            for key, value in options.items()
            if key not in ("name", "storage", "start_from") and value is not None
        },
    }
    settings = validated(StudySettings, data, "search")
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
    return settings.model_copy(update={"plugins": used, "cascade": cascade})


def search(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = DEFAULT_SPACE,
    report: SearchReport = lambda progress: None,
    *,
    name: str | None = None,
    storage: str | None = None,
    sampler: str = DEFAULT_SAMPLER,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    proxies: Sequence[str] | None = None,
    trials: int = DEFAULT_TRIALS,
    seed: int = 0,
    data: str | None = None,
    finalists: int = 0,
    recipe: Recipe = FINALIST_RECIPE,
    start_from: Sequence[str | dict[str, Any]] = (),
    cascade: int | None = None,
) -> Study:
    """Begins a study and runs all of its trials. `Study.load(name)` finds it again.

    target: the name of a device's latency table, or the path of one.
    budgets: upper limits such as "300MFLOPs", "8ms", "4Mparams", "2MB" or "5MBweights"; see
        `nas.budget.parse_budget`.
    space: the search space: a name, the path of a YAML file or a `SearchSpace`.
    report: called with the progress of the search.
    name: of the study; made of space, target and budgets unless given.
    storage: a folder of journals or the URL of a database; unless given, NAS_STORAGE or `studies`.
    sampler: what proposes networks.
    objectives: what is minimised besides the score being maximised.
    proxies: what the score is made of; unless given, the space's own or the default ones.
    trials: how many networks to evaluate.
    seed: of all random numbers.
    data: a data set; the space takes its classes, channels and resolution.
    finalists: how many of the best networks `study.finalists.run_finalists` trains on `data`.
    recipe: how it trains them.
    start_from: what the first trials are; see `study.warm_start.assignments`.
    cascade: how many proposals are screened for a trial; unless given, what suits the sampler.

    Errors: `NasError` for an unknown name, a budget that cannot be met, or a storage that cannot be
    written.
    """
    study = begin(
        target,
        budgets,
        space,
        name=name,
        storage=storage,
        sampler=sampler,
        objectives=objectives,
        proxies=proxies,
        trials=trials,
        seed=seed,
        data=data,
        finalists=finalists,
        recipe=recipe,
        start_from=start_from,
        cascade=cascade,
    )
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
