"""`nas search` and `nas resume`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import PluginOption, StorageOption, StudyArgument

if TYPE_CHECKING:
    from nas.study import Study

DEFAULT_TRIALS = 1000


def search(
    target: Annotated[
        str, typer.Option(help="Device whose latency counts; see `nas targets`.")
    ] = "cpu",
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="Upper limit, repeatable: 300MFLOPs (multiply-adds), 8ms, 4Mparams, "
            "2MB (peak activation memory), 5MBweights."
        ),
    ] = None,
    space: Annotated[
        str, typer.Option(help="A shipped space (see `nas spaces`) or a YAML file.")
    ] = "mobile",
    trials: Annotated[int, typer.Option(help="Candidates to score.")] = DEFAULT_TRIALS,
    sampler: Annotated[str, typer.Option(help="nsga2, tpe or random.")] = "nsga2",
    proxies: Annotated[
        str | None,
        typer.Option(
            help="Accuracy proxies to combine: a,b,c; see `nas proxies`, which marks the default.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes it reproducible.")] = 0,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, fashion-mnist or a folder of images: gives classes, channels, resolution."
        ),
    ] = None,
    finalists: Annotated[
        int, typer.Option(help="Networks of the Pareto front to train on the data afterwards.")
    ] = 0,
    recipe: Annotated[
        Path | None, typer.Option(help="How finalists are trained: YAML, see docs/training.md.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Name of the study. Default: space, target and budgets.")
    ] = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Search for the best networks within budget. Ctrl-C is safe: `nas resume` goes on."""
    from nas import plugins
    from nas.study import begin
    from nas.study.settings import FINALIST_RECIPE
    from nas.training.recipe import Recipe

    plugins.load_all(plugin)
    begun = begin(
        target,
        budget or (),
        space,
        name=study,
        storage=storage,
        sampler=sampler,
        trials=trials,
        seed=seed,
        proxies=None if proxies is None else [n.strip() for n in proxies.split(",")],
        data=data,
        finalists=finalists,
        recipe=Recipe.load(recipe) if recipe else FINALIST_RECIPE,
    )
    _run(begun, trials)


def resume(
    study: StudyArgument,
    trials: Annotated[
        int | None,
        typer.Option(help="More candidates to score. Default: what is left of the study's."),
    ] = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Go on with a study where it stopped."""
    from nas import plugins
    from nas.errors import NasError
    from nas.study import Study

    plugins.load_all(plugin)
    begun = Study.load(study, storage)
    done = len(begun.trials())
    if trials is not None and trials < 1:
        raise NasError(f"--trials {trials}: must be at least 1")
    goal = begun.settings.trials if trials is None else done + trials
    if goal <= done:
        typer.echo(f"study '{begun.name}' has its {done} trials; add more with --trials N")
    _run(begun, goal)


def _run(study: Study, goal: int) -> None:
    from nas.cli.progress import progress_display
    from nas.cli.tables import print_best, print_finalists
    from nas.study import Driver
    from nas.study.storage import DEFAULT_FOLDER

    with progress_display(study) as report:
        ended = Driver(study, report=report).run(goal)
    scored = study.records()
    if scored:
        print_best(study)
    if ended == "interrupted":
        typer.echo(f"interrupted: all {len(study.trials())} finished trials are kept")
    elif ended == "exhausted":
        typer.echo("every proposal was a network seen before: the space seems to be exhausted")
    place = study.storage.place
    if scored and ended != "interrupted" and study.settings.finalists:
        ended = _train_finalists(study, ended)
        print_finalists(study)
    where = study.name if place == DEFAULT_FOLDER else f"{study.name} --storage {quote(place)}"
    if scored:
        typer.echo(f"export the best:  nas export {where} --output best.onnx")
    more = "" if ended == "interrupted" else f" --trials {study.settings.trials}"
    if ended != "exhausted":
        typer.echo(f"go on searching:  nas resume {where}{more}")
    if ended == "interrupted":
        raise typer.Exit(130)


def _train_finalists(study: Study, ended: str) -> str:
    """Trains the finalists; says how it ended, which is `ended` unless it was interrupted."""
    from nas.cli.progress import finalists_display
    from nas.study.finalists import run_finalists

    try:
        with finalists_display(study) as report:
            run_finalists(study, report)
    except KeyboardInterrupt:
        typer.echo("interrupted: every finished epoch of the finalists is kept")
        return "interrupted"
    return ended
