"""`nas auto`."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.data import (
    ClassesOption,
    ImageSizeOption,
    LeftOutOption,
    SplitOption,
    TestShareOption,
    open_data,
)
from nas.cli.host import tell_host
from nas.cli.options import (
    BudgetOption,
    JsonOption,
    NormEpsOption,
    PluginOption,
    PythonOption,
    ResolutionOption,
    SchedulerOption,
    SeedOption,
    SshOption,
    TargetOption,
    WorkersOption,
    as_remote,
    read_minutes,
)
from nas.cli.terminal import echo, echo_json
from nas.defaults import DEFAULT_TARGET
from nas.support.errors import NasError
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.auto.result import Result
    from nas.auto.write import Written
    from nas.data import DataSet

TEST_SHARE = 0.15
OVERRUN = 1.2  # times what it may take, above which it is said


def auto(
    data: Annotated[
        str, typer.Option(help="A folder of images, a CSV of labels, digits or fashion-mnist.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the result.")],
    target: TargetOption = DEFAULT_TARGET,
    budget: BudgetOption = None,
    time: Annotated[
        str | None,
        typer.Option(help="How long it may take: 30m, 2h. Default: as long as it needs."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            metavar="<str>",
            help="A shipped space or a YAML file. Default: mobile, for small images small.",
            show_default=False,
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NETWORK",
            help="Folder of a training whose network is pruned to the budget too; with --weights "
            "any network that `nas train` takes.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="File of the weights of --from: PyTorch, safetensors or ONNX. It is trained on "
            "the images first.",
            show_default=False,
        ),
    ] = None,
    norm_eps: NormEpsOption = None,
    resolution: ResolutionOption = None,
    ssh: Annotated[
        str | None,
        typer.Option(
            metavar="USER@HOST",
            help="Measure the result on that machine, with onnxruntime.",
            show_default=False,
        ),
    ] = None,
    ssh_option: SshOption = None,
    python: PythonOption = None,
    seed: SeedOption = 0,
    split: SplitOption = None,
    classes: ClassesOption = None,
    left_out: LeftOutOption = None,
    test_share: TestShareOption = TEST_SHARE,
    image_size: ImageSizeOption = None,
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find, train, export and check a network for your images. The same command goes on."""
    from nas import plugins
    from nas.auto.asked import Asked
    from nas.auto.measured import check_remote
    from nas.auto.run import Displays, default_space
    from nas.auto.run import auto as run
    from nas.auto.write import check_own, write_result
    from nas.cli.progress import (
        finalists_display,
        log_learning,
        progress_display,
        training_display,
    )
    from nas.latency import Target
    from nas.study.workers.open import open_executor
    from nas.support.validation import validated

    plugins.load_all(plugin)
    _check(parent, weights, norm_eps, resolution, budget)
    minutes = None if time is None else read_minutes(time)
    check_own(output)
    device = Target.load(target)
    remote = as_remote(ssh, ssh_option, python)
    if remote is not None:
        echo(f"{remote.host}: {check_remote(device, remote)}", err=True)
    loaded = open_data(data, split, classes, left_out, test_share, image_size)
    assert loaded is not None
    if remote is None:
        tell_host(device)
    facts = {
        "data": loaded.source, "options": loaded.options, "checksum": loaded.checksum,
        "target": target, "budgets": budget or [], "space": space or default_space(loaded),
        "minutes": minutes, "seed": seed, "parent": parent, "norm_eps": norm_eps,
        "weights": None if weights is None else str(weights), "resolution": resolution,
    }  # fmt: skip
    asked = validated(Asked, facts, "auto")
    displays = Displays(
        lambda line: echo(line, err=True), progress_display, log_learning, finalists_display,
        training_display,
    )  # fmt: skip
    try:
        with open_executor(workers, scheduler, plugins.loaded()) as (executor, slots):
            result = run(asked, loaded, output, displays, executor, slots)
        echo("writing and checking the result", err=True)
        written = write_result(result, loaded, output, remote)
    except KeyboardInterrupt:
        kept = "interrupted: what is done is kept"
        echo(f"{kept}; go on: {join(['nas', *sys.argv[1:]])}", err=as_json)
        raise typer.Exit(130) from None
    if as_json:
        echo_json(_facts(result, written, output))
        return
    _print(result, loaded, written, output)
    slower = minutes is not None and result.seconds > OVERRUN * 60 * minutes
    why = ": the machine was slower than when training was timed" if slower else ""
    echo(f"it took {result.seconds / 60:.1f} minutes{why}")


def _check(
    parent: str | None,
    weights: Path | None,
    norm_eps: float | None,
    resolution: str | None,
    budget: list[str] | None,
) -> None:
    """Errors: `NasError` for options of a network to prune that go with others."""
    if weights is not None and parent is None:
        raise NasError("--weights: whose? --from must name the network")
    for option, value in (("--norm-eps", norm_eps), ("--resolution", resolution)):
        if value is not None and weights is None:
            raise NasError(f"{option} {value}: it is of the network of --weights")
    if parent is not None and not budget:
        raise NasError("--from: a budget is needed: what is the network to be pruned to?")


def _facts(result: Result, written: Written, output: Path) -> dict[str, Any]:
    """The result as JSON types; accuracies are shares of the images."""
    from nas.auto.card import name_of
    from nas.costs import cost

    trained, target, winner = result.trained, result.target, result.winner
    costs, predicted = cost(trained.arch), target.predict(trained.arch)
    timed = written.measured.comparison if written.measured else None
    return {
        "folder": str(output),
        "files": [str(output / name) for name, _ in written.files],
        "winner": name_of(winner),
        "trial": None if winner.by_hand else winner.record.trial,
        "by_hand": winner.by_hand,
        "pruned": winner.pruned,
        "test_accuracy": trained.test.accuracy if trained.test else None,
        "validation_accuracy": trained.accuracy,
        "int8_accuracy": written.int8.accuracy,
        "target": target.name,
        "predicted_ms": predicted.ms,
        "interval_ms": [predicted.low_ms, predicted.high_ms],
        "interval_known": target.interval_known,
        "measured_ms": timed.measured_ms if timed else None,
        "noise": timed.spread if timed else None,
        "drift": written.measured.drift if written.measured else None,
        "measured": written.measured.where if written.measured else written.unmeasured,
        "macs": costs.macs,
        "params": costs.params,
        "resolution": trained.arch.resolution,
        "warnings": list(written.measured.notes) if written.measured else [],
        "cut": list(result.cut),
        "seconds": result.seconds,
    }


def _print(result: Result, data: DataSet, written: Written, output: Path) -> None:
    from nas.auto.card import COLUMNS, accuracy_line, compared_rows, order, remarks, verdict
    from nas.auto.write import int8_line
    from nas.cli.tables import show, table
    from nas.report.words import drifted, extrapolated, known_interval
    from nas.support.text import significant

    arch, target = result.trained.arch, result.target
    predicted = target.predict(arch)
    show(
        f"Trained alike and briefly; {order(result)}",
        table(COLUMNS, compared_rows(result), left=1),
        *remarks(result, data),
        verdict(result),
        "",
    )
    training = "trained fully" if result.further else "after that training"
    echo(f"accuracy, {training}: {accuracy_line(result, data)}")
    known = known_interval(predicted.low_ms, predicted.high_ms, target.interval_known)
    echo(f"latency predicted for {target.name}: {significant(predicted.ms)} ms ({known})")
    for line in extrapolated(target, [predicted]):
        echo(line)
    if written.measured:
        found, where, how, _, notes, drift = written.measured
        timed = f"{significant(found.measured_ms)} ms {how}"
        echo(f"latency measured {where}: {timed}; {drifted(target, drift)}")
        for note in notes:
            echo(f"warning: {note}", err=True)
    else:
        echo(f"latency not measured: {written.unmeasured}")
    echo(f"int8: {int8_line(written.int8, document('deploying.md'))}")
    echo(f"predict.py agrees with torch on {written.agreed:.0%} of the examples")
    for line in result.cut:
        echo(f"cut for time: {line}")
    for name, what in written.files:
        echo(f"  {quote(str(output / name))}: {what}")
