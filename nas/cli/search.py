"""`nas search` and `nas resume`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.config import ConfigOption
from nas.cli.data import (
    DATA,
    ClassesOption,
    ImageSizeOption,
    LeftOutOption,
    MovedOption,
    SplitOption,
    TestShareOption,
    open_data,
    tell,
)
from nas.cli.host import tell_host
from nas.cli.options import (
    BudgetOption,
    JsonOption,
    PluginOption,
    SamplerOption,
    SchedulerOption,
    SeedOption,
    StorageOption,
    StudyArgument,
    TargetOption,
    WorkersOption,
    listed,
)
from nas.cli.run_study import conclude, run_study, worker_options
from nas.cli.terminal import echo
from nas.defaults import (
    DEFAULT_OBJECTIVES,
    DEFAULT_SAMPLER,
    DEFAULT_SPACE,
    DEFAULT_TARGET,
    DEFAULT_TRIALS,
    PROXY_TRIALS,
)
from nas.measures import OBJECTIVES
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.space import SearchSpace
    from nas.training.recipe import Recipe


# What is `Any` is a name or a path, or in a config file what that stands for.
def search(
    target: TargetOption = DEFAULT_TARGET,
    budget: BudgetOption = None,
    space: Annotated[
        Any,
        typer.Option(metavar="<str>", help="A shipped space (see `nas spaces`) or a YAML file."),
    ] = DEFAULT_SPACE,
    trials: Annotated[
        int | None,
        typer.Option(
            help=f"Candidates to score. Default: {DEFAULT_TRIALS}, by proxies {PROXY_TRIALS}.",
            show_default=False,
        ),
    ] = None,
    sampler: SamplerOption = DEFAULT_SAMPLER,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="What to weigh against the score, repeatable: "
            f"{', '.join(OBJECTIVES)}. Default: {', '.join(DEFAULT_OBJECTIVES)}.",
            show_default=False,
        ),
    ] = None,
    proxies: Annotated[
        list[str] | None,
        typer.Option(
            help="Score by accuracy proxies a,b,c, combined, instead of by predicted accuracy; "
            "see `nas proxies`.",
            show_default=False,
        ),
    ] = None,
    cascade: Annotated[
        int | None,
        typer.Option(
            help="With --proxies: proposals of which a cheap model picks each scored one; 1 is "
            "off. Default: 32 with evolution, else 1.",
            show_default=False,
        ),
    ] = None,
    start_from: Annotated[
        list[Any] | None,
        typer.Option(
            metavar="<list[str]>",
            help="Networks to score first, repeatable: a published network's name, a study (its "
            "Pareto front), the folder of a training, or an architecture's JSON or ONNX file.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    data: Annotated[
        str | None,
        typer.Option(help=f"{DATA}. It gives classes, channels and resolution."),
    ] = None,
    split: SplitOption = None,
    classes: ClassesOption = None,
    left_out: LeftOutOption = None,
    test_share: TestShareOption = None,
    image_size: ImageSizeOption = None,
    finalists: Annotated[
        int, typer.Option(help="Good networks, unlike each other, to train on the data afterwards.")
    ] = 0,
    learn: Annotated[
        int, typer.Option(help="Networks to train on the data in between, to predict by.")
    ] = 0,
    train_minutes: Annotated[
        float | None,
        typer.Option(
            help="The same by minutes of training, those of all workers added up; with both, "
            "whichever is less.",
            show_default=False,
        ),
    ] = None,
    recipe: Annotated[
        Any,
        typer.Option(
            metavar="<path>", help=f"How networks are trained: YAML, see {document('training.md')}."
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study. Default: space, target and budgets.")
    ] = None,
    storage: StorageOption = None,
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    plugin: PluginOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for the best networks within budget. Ctrl-C is safe: `nas resume` goes on."""
    from nas import plugins
    from nas.study.new import begin_or_go_on
    from nas.study.plan import check_names
    from nas.study.workers.open import open_executor

    plugins.load_all(plugin)
    objectives = objective or DEFAULT_OBJECTIVES
    check_names(target, budget or (), sampler, objectives, study)  # before the data are read
    own_recipe = _recipe(recipe)
    with open_executor(workers, scheduler, plugins.loaded()) as (executor, slots):
        begun, notice = begin_or_go_on(
            target,
            budget or (),
            _space(space),
            name=study,
            storage=storage,
            sampler=sampler,
            objectives=objectives,
            proxies=None if proxies is None else listed(proxies),
            cascade=cascade,
            start_from=start_from or (),
            trials=trials,
            seed=seed,
            data=open_data(data, split, classes, left_out, test_share, image_size),
            finalists=finalists,
            learn=learn,
            train_minutes=train_minutes,
            recipe=own_recipe,
        )
        if notice:
            echo(notice, err=True)
        tell_host(begun.target)
        ended = run_study(begun, trials or begun.settings.trials, executor, slots)
    conclude(begun, ended, worker_options(workers, scheduler), as_json=as_json)


def _space(given: Any) -> str | SearchSpace:
    from nas.space import SearchSpace

    return SearchSpace.from_dict(given, "space") if isinstance(given, dict) else str(given)


def _recipe(given: Any) -> Recipe | None:
    from nas.support.validation import validated
    from nas.training.recipe import Recipe

    if isinstance(given, dict):
        return validated(Recipe, given, "recipe")
    return None if given is None else Recipe.load(Path(given))


def resume(
    study: StudyArgument,
    trials: Annotated[
        int | None,
        typer.Option(help="More candidates to score. Default: what is left of the study's."),
    ] = None,
    storage: StorageOption = None,
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    data: MovedOption = None,
    repredict: Annotated[
        bool,
        typer.Option(
            "--repredict", help="Move it to what its target, measured anew, predicts now."
        ),
    ] = False,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a study where it stopped."""
    from nas import plugins
    from nas.study import Study
    from nas.study.finalists import study_data
    from nas.study.notices import notices
    from nas.study.workers.open import open_executor
    from nas.support.errors import NasError

    if trials is not None and trials < 1:
        raise NasError(f"--trials {trials}: must be at least 1")
    plugins.load_all(plugin)
    begun = Study.load(study, storage)
    if repredict:
        from nas.study.repredict import repredict as moved

        begun, said = moved(begun)
        echo(said, err=True)
    begun.moved = data
    for notice in notices(begun):
        echo(notice, err=True)
    if begun.settings.finalists or data is not None:
        tell(study_data(begun, data))
    goal = begun.settings.trials if trials is None else None
    with open_executor(workers, scheduler, plugins.loaded()) as (executor, slots):
        ended = run_study(begun, goal, executor, slots, trials or 0, data)
    conclude(begun, ended, worker_options(workers, scheduler), data, as_json=as_json)
