"""Beginning a study: everything that could be wrong with it is checked before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypedDict, Unpack

from nas import plugins
from nas.accuracy.model import FEWEST
from nas.blocks import KINDS
from nas.budget import parse_budgets
from nas.data import READERS, DataSet, find_reader, load_data
from nas.data.fit import fit_space
from nas.defaults import DEFAULT_OBJECTIVES, DEFAULT_SAMPLER, DEFAULT_SPACE, PROXY_TRIALS
from nas.latency import Target
from nas.measures import OBJECTIVES
from nas.resolution import area
from nas.space import SearchSpace
from nas.study import learning
from nas.study.bar import shown_progress
from nas.study.candidates import Candidates
from nas.study.config import write_config
from nas.study.families import hand_scaled
from nas.study.notices import space_file
from nas.study.objectives import check_objectives
from nas.study.plan import Plan, begun_before, created, of_data, of_target, stem_of
from nas.study.progress import SearchReport
from nas.study.samplers.registry import SAMPLERS, check_cascade, default_cascade
from nas.study.settings import FINALIST_RECIPE, StudySettings
from nas.study.storage.storage import Storage
from nas.study.study import Study
from nas.study.warm_start import Start, assignments
from nas.support.errors import NasError, as_whole, check_type, shown
from nas.support.validation import validated
from nas.training.recipe import Recipe, check_compared


class Options(TypedDict, total=False):
    """Options of a study beyond target, budgets and space; `search` says what each means."""

    name: str | None
    storage: str | Path | None
    sampler: str
    objectives: Sequence[str]
    proxies: Sequence[str] | None
    trials: int | None
    seed: int
    data: str | DataSet | None
    finalists: int
    learn: int
    train_minutes: float | None
    recipe: Recipe | None
    start_from: Sequence[Start]
    cascade: int | None


def begin(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = DEFAULT_SPACE,
    *,
    training_steps: int | None = None,
    **options: Unpack[Options],
) -> Study:
    """A new, stored study without trials, after everything that could be wrong was checked.

    Parameters, defaults and errors are those of `search`, but a name that is taken is one too; and
    accuracies are predicted for so many `training_steps`, unless given those of the recipe.
    Plugins that were loaded and that the study uses are stored with it.
    """
    study = created(_planned(target, budgets, space, options, training_steps))
    write_config(study)
    return study


def begin_or_go_on(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = DEFAULT_SPACE,
    **options: Unpack[Options],
) -> tuple[Study, str]:
    """The study that these very options began before, or else a new one; and what there is to be
    said of it, if anything.

    Only the number of trials may differ, where no networks are trained in between. Parameters and
    errors are those of `begin`.
    """
    plan = _planned(target, budgets, space, options)
    there, notice = begun_before(plan)
    if there is not None:
        return there, notice
    study = created(plan)
    write_config(study)
    return study, f"{notice}; this one is '{study.name}'" if notice else ""


def _planned(
    target: str | Path,
    budgets: Sequence[str],
    space: str | Path | SearchSpace,
    options: Options,
    training_steps: int | None = None,
) -> Plan:
    plugins.load_installed()
    loaded = space if isinstance(space, SearchSpace) else SearchSpace.load(space)
    device, limits = Target.load(target), parse_budgets(budgets)
    if options.get("recipe") is not None:
        check_compared(options["recipe"])
    source, facts = options.get("data"), {}
    if source is not None:
        dataset = source if isinstance(source, DataSet) else load_data(source)
        loaded, options["data"] = fit_space(loaded, dataset), dataset.source
        images, recipe = len(dataset.train.labels), options.get("recipe")
        pixels = max(map(area, loaded.settings.resolution))
        if options.get("finalists") or options.get("learn") or options.get("train_minutes"):
            recipe = options["recipe"] = recipe or FINALIST_RECIPE.suited(images, pixels)
            recipe.check(images)
        elif recipe in (None, FINALIST_RECIPE):  # nothing is trained by it, but by `nas train`
            recipe = Recipe().suited(images, pixels)
        facts = of_data(dataset) | {"training_steps": training_steps or recipe.steps(images)}
    elif options.get("finalists"):
        raise NasError("finalists are trained on data: give a data set too")
    elif options.get("learn") or options.get("train_minutes") is not None:
        raise NasError("learn: networks are trained on data: give a data set too")
    candidates = Candidates(loaded, device, limits)
    settings = _settings(target, space, candidates, options)
    candidates.check_known(OBJECTIVES[name] for name in settings.objectives)
    candidates.check(settings.seed)
    storage = Storage(options.get("storage"))
    first = assignments(options.get("start_from", ()), candidates, storage, settings.seed)
    compared = SAMPLERS[settings.sampler].cascade is None  # with the others: it begins with none
    families = {} if compared else hand_scaled(candidates)
    first_trials = {"start_from": first, "families": families}
    settings = settings.model_copy(update=first_trials | facts)
    stem = stem_of([loaded.name, device.name, *settings.budgets])
    return Plan(settings, candidates, storage, options.get("name"), stem)


def _settings(
    target: str | Path, space: str | Path | SearchSpace, candidates: Candidates, options: Options
) -> StudySettings:
    """The settings that are stored, but for the first trials. Errors: see `begin`."""
    loaded = candidates.space
    assert isinstance(loaded, SearchSpace)
    data = {
        "space": loaded.to_dict(),
        "space_file": None if isinstance(space, SearchSpace) else space_file(space),
        **of_target(target, candidates),
        **({"proxies": loaded.settings.proxies} if loaded.settings.proxies else {}),
        **{
            key: value
            for key, value in options.items()
            if key not in ("name", "storage", "start_from") and value is not None
        },
    }
    settings = validated(StudySettings, data, "search")
    if settings.proxies and options.get("trials") is None:
        settings = settings.model_copy(update={"trials": PROXY_TRIALS})
    if 0 < settings.learn < FEWEST:
        raise NasError(f"learn {settings.learn}: must be at least {FEWEST} networks")
    if settings.proxies and (settings.learn or settings.train_minutes):
        raise NasError("learn: it adapts predicted accuracy, and not a score of proxies")
    check_cascade(settings.sampler, settings.cascade, settings.proxies)
    check_objectives(settings.objectives)
    scored_by = []
    if settings.proxies:
        from nas.proxies import PROXIES  # needs torch
        from nas.proxies.registry import checked

        scored_by = [(PROXIES, checked(settings.proxies))]
    cascade = options.get("cascade") or default_cascade(settings.sampler, settings.proxies)
    used = plugins.providers(
        (KINDS, loaded.kinds),
        *scored_by,
        (SAMPLERS, [settings.sampler]),
        (READERS, [] if settings.data is None else [find_reader(settings.data).name]),
    )
    return settings.model_copy(update={"plugins": used, "cascade": cascade})


def search(
    target: str | Path,
    budgets: Sequence[str] = (),
    space: str | Path | SearchSpace = DEFAULT_SPACE,
    report: SearchReport | None = None,
    *,
    name: str | None = None,
    storage: str | Path | None = None,
    sampler: str = DEFAULT_SAMPLER,
    objectives: Sequence[str] = DEFAULT_OBJECTIVES,
    proxies: Sequence[str] | None = None,
    trials: int | None = None,
    seed: int = 0,
    data: str | DataSet | None = None,
    finalists: int = 0,
    learn: int = 0,
    train_minutes: float | None = None,
    recipe: Recipe | None = None,
    start_from: Sequence[Start] = (),
    cascade: int | None = None,
) -> Study:
    """Begins a study and runs all of its trials. `Study.load(name)` finds it again.

    Where these very options have begun one before, it goes on with that.

    target: the name of a device's latency table, or the path of one.
    budgets: upper limits such as "300MFLOPs", "8ms", "4Mparams", "2MB" or "5MBweights"; see
        `nas.budget.parse_budget`.
    space: the search space: a name, the path of a YAML file or a `SearchSpace`.
    report: called with the progress of the search; unless given, a bar shows it in a terminal or a
        notebook.
    name: of the study; made of space, target and budgets unless given.
    storage: a folder of journals or the URL of a database; unless given, NAS_STORAGE or `studies`.
    sampler: what proposes networks.
    objectives: what is minimised besides the score being maximised.
    proxies: what a combined score is made of instead of the predicted accuracy; unless given, what
        the space names, which of the shipped ones none does.
    trials: how many networks to evaluate; unless given 5000, or 1000 by proxies.
    seed: of all random numbers.
    data: a data set or its source; the space takes its classes, channels and resolution.
    finalists: how many good, different networks `study.finalists.run_finalists` trains on `data`.
    learn: how many networks to train on `data` in between, which predictions are adapted to.
    train_minutes: the same by the minutes of training, those of all workers added up; with both,
        whichever is less.
    recipe: how it trains them; unless given for nine epochs, of few images for 540 steps.
    start_from: what the first trials are; see `study.warm_start.assignments`.
    cascade: how many proposals are screened for a trial; unless given, what suits the sampler.

    Errors: `NasError` for an unknown name, a budget that cannot be met, or a storage that cannot be
    written; `KeyboardInterrupt` after Ctrl-C or SIGTERM, with every finished trial stored.
    """
    if report is not None and not callable(report):
        raise NasError(f"report must be a function of the progress, not {shown(report)}")
    study, _ = begin_or_go_on(
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
        learn=learn,
        train_minutes=train_minutes,
        recipe=recipe,
        start_from=start_from,
        cascade=cascade,
    )
    resume(study, trials, report=report)
    return study


def resume(study: Study, trials: int | None = None, *, report: SearchReport | None = None) -> None:
    """Goes on with a stored study, one that prunes too, until it has so many trials: those that it
    was begun for unless given. `report` is as of `search`.

    Errors: `NasError` where its plugins, proxies or data are not there; `KeyboardInterrupt` after
    Ctrl-C or SIGTERM, with every finished trial stored.
    """
    check_type(study, "study", "a Study", Study)
    with shown_progress() if report is None else nullcontext(report) as told:
        ended = learning.run(study, as_whole(trials) or study.settings.trials, report=told)
    if ended.how == "interrupted":
        raise KeyboardInterrupt  # not ours to swallow: the program around is to end too
