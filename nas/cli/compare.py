"""`nas compare`."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption, PluginOption, StorageOption, listed
from nas.cli.report import PlotsOption, check_page, write_report
from nas.cli.terminal import echo, echo_json
from nas.defaults import DEFAULT_SPACE, DEFAULT_TARGET
from nas.measures import OBJECTIVES

if TYPE_CHECKING:
    from nas.study import Study
    from nas.study.compare import Curve

RANDOM = "random"


def compare(
    study: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY]...", help="Studies to compare.")
    ] = None,
    samplers: Annotated[
        str | None,
        typer.Option(
            help="Run these instead, a,b,c, each as often as there are seeds; what is there is "
            "gone on with.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Studies a sampler, with seeds 0, 1, ...")] = 10,
    trials: Annotated[int, typer.Option(help="Candidates to score a study.")] = 200,
    target: Annotated[str, typer.Option(help="Device whose latency counts.")] = DEFAULT_TARGET,
    budget: Annotated[
        list[str] | None, typer.Option(help="Upper limit, repeatable; see `nas search`.")
    ] = None,
    space: Annotated[str, typer.Option(help="A shipped space or a YAML file.")] = DEFAULT_SPACE,
    objective: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable: {', '.join(OBJECTIVES)}.", show_default=False),
    ] = None,
    proxies: Annotated[
        str | None, typer.Option(help="Accuracy proxies: a,b,c.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it: a .png, .svg or .pdf file.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write it as a page, a .html file.", show_default=False)
    ] = None,
    plots: PlotsOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare searches by best score and hypervolume, over seeds."""
    from nas import plugins
    from nas.charts.figure import KINDS, save
    from nas.report.compare import compare_figure, compare_report
    from nas.report.words import compared_scores
    from nas.study.compare import curves
    from nas.study.networks import load_study
    from nas.support.errors import NasError

    if plot is not None and plot.suffix[1:] not in KINDS:
        raise NasError(f"--plot {plot}: must end in {', '.join(f'.{kind}' for kind in KINDS)}")
    if html is not None:
        check_page(html, "--html")
    elif plots is not None:
        raise NasError("--plots: goes with --html; --plot draws all in one file")
    if bool(study) == bool(samplers):
        raise NasError("give either studies or --samplers: what is to be compared")
    for option, value in (("seeds", seeds), ("trials", trials)):
        if value < 1:
            raise NasError(f"--{option} {value}: must be at least 1")
    plugins.load_all(plugin)
    if samplers:
        options: dict[str, Any] = {"storage": storage, "trials": trials}
        options |= {"objectives": objective} if objective else {}
        options |= {"proxies": listed([proxies])} if proxies else {}
        names = list(dict.fromkeys(listed([samplers])))
        studies = _run(names, seeds, target, budget or [], space, options, as_json)
    else:
        studies = [load_study(name, storage) for name in dict.fromkeys(study or [])]
    all_curves, scores = curves(studies), compared_scores(studies[0])
    if plot is not None:
        save(compare_figure(all_curves), plot)
    if html is not None:
        page, charts = compare_report(_summary(all_curves), all_curves, scores)
        write_report(html, page, charts, plots)
    if as_json:
        echo_json(_summary(all_curves))
        return
    _print(all_curves, scores)
    if plot is not None:
        echo(f"{plot}: medians with the range from the 10th to the 90th percentile")


def _run(
    samplers: Sequence[str],
    seeds: int,
    target: str,
    budgets: Sequence[str],
    space: str,
    options: dict[str, Any],
    as_json: bool,
) -> list[Study]:
    """Runs what is missing of every study, one seed of all samplers after the other."""
    from nas.cli.progress import progress_display
    from nas.study import Driver
    from nas.study.compare import study_of
    from nas.study.samplers import SAMPLERS

    for sampler in samplers:
        SAMPLERS[sampler]  # an unknown one is refused before the first study runs
    studies = []
    for seed in range(seeds):
        for sampler in samplers:
            study = study_of(target, budgets, space, sampler=sampler, seed=seed, **options)
            studies.append(study)
            if study.tally().trials >= options["trials"]:
                continue
            with progress_display(study) as report:
                ended = Driver(study, report=report).run(options["trials"])
            if ended == "interrupted":
                kept = "all finished trials are kept; the same command goes on"
                echo(f"interrupted: {kept}", err=as_json)
                raise typer.Exit(130)
    return studies


def _summary(all_curves: Sequence[Curve]) -> dict[str, Any]:
    """The comparison after as many trials as every study has, as JSON types."""
    from nas.study.compare import (
        MEASURES,
        Interval,
        at_trial,
        by_sampler,
        rank_test,
        trials_to_reach,
    )

    trials = min(len(curve.best) for curve in all_curves)
    groups = by_sampler(all_curves)
    base = RANDOM if RANDOM in groups else next(iter(groups))
    goals = {curve.seed: float(curve.hypervolume[trials - 1]) for curve in groups[base]}
    result: dict[str, Any] = {"trials": trials, "baseline": base, "samplers": []}
    for name, group in groups.items():
        one: dict[str, Any] = {"sampler": name, "studies": len(group)}
        for measure in (*MEASURES, "seconds"):
            one[measure] = Interval.of(at_trial(group, measure, trials))._asdict()
        if name != base:
            for measure in MEASURES:
                test = rank_test(group, groups[base], measure, trials)
                one[f"{measure}_p"], one["test"] = test.p, test.name
            if all(curve.seed in goals for curve in group):
                reached = median(trials_to_reach(group, goals))
                one["trials_to_baseline"] = reached if reached < inf else None
        result["samplers"].append(one)
    return result


def _print(all_curves: Sequence[Curve], scores: str) -> None:
    from nas.cli.tables import show, table

    summary = _summary(all_curves)
    rows = []
    for one in summary["samplers"]:
        tested = "best_p" in one
        reach = one.get("trials_to_baseline", "")
        rows.append(
            (
                one["sampler"],
                one["studies"],
                _interval(one["best"], ".3f"),
                f"{one['best_p']:.2g}" if tested else "",
                _interval(one["hypervolume"], ".3g"),
                f"{one['hypervolume_p']:.2g}" if tested else "",
                "–" if reach is None else f"{reach:g}" if reach else "",
                f"{one['seconds']['median']:.0f}",
            )
        )
    base = summary["baseline"]
    tests = sorted({one["test"] for one in summary["samplers"] if "test" in one})
    show(
        f"After {summary['trials']} trials each: medians over seeds, 10th to 90th percentile",
        table(
            ("sampler", "studies", "best score", "p", "hypervolume", "p", "trials", "seconds"),
            rows,
            minor=("seconds", "trials", "studies"),
        ),
        f"p: two-sided, against {base} ({', '.join(tests) or 'nothing to test'}); trials: median "
        f"until the hypervolume is {base}'s final one",
        scores,
    )


def _interval(values: dict[str, float], form: str) -> str:
    low, high = (format(values[key], form) for key in ("low", "high"))
    return f"{values['median']:{form}} [{low}, {high}]"
