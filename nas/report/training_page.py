"""The report of a training."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import yaml

from nas.architecture import Architecture
from nas.charts import Chart, Matrix
from nas.costs import cost
from nas.data import DataSet, load_again
from nas.measures import format_measure
from nas.plugins import options_of
from nas.report.page import commands, facts, folded, note, page, plots, section
from nas.report.training import classify, confusion_chart, curves_charts, wrong_images
from nas.study.scoring import share_interval
from nas.support.errors import NasError
from nas.support.html import Child, Html, tag
from nas.training.checkpoint import State, kept_epoch, read_state
from nas.training.trained import Trained


def outcome_parts(trained: Trained, data: DataSet) -> tuple[Html, Chart]:
    """What a trained network makes of the validation images: how right it is, its confusion matrix
    and some images that it gets wrong; and the chart of that. Errors: `NasError` for other data."""
    if data.checksum != trained.data.checksum:
        raise NasError(f"data set {data.source} has changed since the training")
    outcome = classify(trained, data)
    chart, figures = confusion_chart(outcome, data.classes), wrong_images(outcome, data)
    count = len(outcome.labels)
    low, high = share_interval(outcome.accuracy, count)
    wrong = int((outcome.taken != outcome.labels).sum())
    said = (
        f"{outcome.accuracy:.2%} of {count} validation images are classified right "
        f"(90% interval {low:.2%}–{high:.2%}), {wrong} are not."
    )
    scores = trained.validation_scores
    made = tag(
        "div",
        tag("p", said),
        tag("p", f"{scores.line(data.classes)}.") if scores else None,
        plots([chart]),
        note("rows are the true classes, columns what their images are taken for")
        if isinstance(chart, Matrix)
        else None,
        [tag("h3", "Of those the ones it is surest of"), tag("div", figures, class_="images")]
        if figures
        else None,
    )
    return made, chart


def training_report(folder: Path, moved: str | None = None) -> tuple[str, list[Chart]]:
    """The page of the training in a folder, finished or not, and its charts. `moved` is where its
    data are now, if that is elsewhere; where they are gone the page says so. Errors: `NasError`."""
    state = read_state(folder)
    if not state.history:
        raise NasError(f"{folder}: no epoch is trained yet")
    arch = Architecture.from_dict(state.architecture)
    charts: list[Chart] = [*curves_charts({"": state.history})]
    sections: list[Child] = [section("Training", plots(charts))]
    try:
        data = load_again(
            state.data.source, state.data.seed, state.data.options, state.data.checksum, moved
        )
        made, chart = outcome_parts(Trained.load(folder), data)
        charts.append(chart)
        sections.append(section("What it gets wrong", made))
    except NasError as error:
        sections.append(section("What it gets wrong", note(f"not shown: {error}")))
    sections.append(_reproduce(folder, state))
    name = arch.name or folder.resolve().name
    return page(f"Training {name}", _lead(arch, state), sections), charts


def _lead(arch: Architecture, state: State) -> Child:
    last, costs = kept_epoch(state.recipe, state.history), cost(arch)
    planned = "" if state.recipe.minutes else f" of {state.recipe.epochs}"
    done = f"{len(state.history)}{planned} epochs"
    where = f"validation images, epoch {last.epoch}"
    cells = [("measured accuracy", f"{last.validation_accuracy:.2%}", where)]
    if state.test_accuracy is not None:
        cells.append(("measured accuracy", f"{state.test_accuracy:.2%}", "test images, once"))
    cells += [
        ("epochs", done, f"{sum(e.seconds for e in state.history):.0f} s on {state.device}"),
        ("multiply-adds", format_measure("macs", costs.macs), ""),
        ("parameters", format_measure("params", costs.params), ""),
        (
            "input",
            f"{arch.resolution} px",
            f"{arch.channels} {'channel' if arch.channels == 1 else 'channels'}",
        ),
    ]
    classes = len(state.data.classes)
    return [tag("p", f"Trained on {state.data.source}, {classes} classes."), facts(cells)]


def _reproduce(folder: Path, state: State) -> Html:
    recipe = yaml.safe_dump(state.recipe.model_dump(exclude_none=True), sort_keys=False)
    data = f"--data {quote(state.data.source)}{state.data.options.flags()}"
    if state.teacher is not None:
        data += " --teacher TEACHER"
    if state.start is not None:
        data += " --weights FILE"
    data += options_of(state.plugins)
    return section(
        "How to reproduce it",
        tag(
            "p",
            f"hw-nas {state.version}; data {state.data.checksum[:16]}, split with seed "
            f"{state.data.seed}.",
        ),
        commands(
            [
                f"nas train {quote(str(folder))} {data} --recipe recipe.yaml -o again/",
                f"nas export {quote(str(folder))}",
            ]
        ),
        folded("recipe.yaml", commands(recipe.splitlines())),
    )
