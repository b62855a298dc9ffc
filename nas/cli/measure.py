"""`nas measure`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.made import print_search_command, warn_of_hidden
from nas.cli.options import (
    JsonOption,
    PluginOption,
    PythonOption,
    ResolutionOption,
    SshOption,
    as_remote,
    as_resolution,
)
from nas.cli.terminal import echo, echo_json, say, tell
from nas.defaults import (
    DEFAULT_PRECISION,
    DEFAULT_RUNTIME,
    MEASURE_MINUTES,
    QUICK_MINUTES,
)

VELA = "vela"

if TYPE_CHECKING:
    from nas.latency.measuring.plan import Sampler
    from nas.latency.runner.batches import MeasuringProgress
    from nas.latency.table import Subject


def measure(
    target: Annotated[
        str | None, typer.Option(help="Name of the target to make or to go on with.")
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Two minutes: a shipped CPU's predictions, scaled to this machine."
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time to spend; at least one batch (about 15 s) runs. Default: "
            f"{MEASURE_MINUTES:g}, with --quick {QUICK_MINUTES:g}.",
            show_default=False,
        ),
    ] = None,
    runtime: Annotated[
        str,
        typer.Option(
            help="onnxruntime, openvino, litert, ncnn or mnn; vela estimates, and times nothing."
        ),
    ] = DEFAULT_RUNTIME,
    accelerator: Annotated[
        str | None,
        typer.Option(help="With --runtime vela: ethos-u55-128 and the like.", show_default=False),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="onnxruntime's: cpu, cuda, tensorrt, openvino ... Default: cpu."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the runtime. Default: 1.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32 (the default), or int8 (QDQ models).")
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Space whose networks are timed: a name or a file. Default: mobile and small.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of ONNX networks, whoever wrote them, that are timed first.",
            show_default=False,
        ),
    ] = None,
    resolution: ResolutionOption = None,
    ssh: Annotated[
        str | None,
        typer.Option(metavar="USER@HOST", help="Measure that machine.", show_default=False),
    ] = None,
    ssh_option: SshOption = None,
    python: PythonOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write what another machine needs there instead.", show_default=False),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option("--import", help="Read the results.csv of a bundle.", show_default=False),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where TARGET.csv and TARGET.yaml are written. Default: your own folder, where "
            "every command finds it, or ./latency_tables where the target is there.",
            show_default=False,
        ),
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time this machine, or another, with a runtime; make it a target."""
    from nas.latency.folders import folder_of
    from nas.latency.measuring.measure import measure as measure_here
    from nas.latency.measuring.measure import own_models
    from nas.latency.measuring.plan import mixed_network
    from nas.latency.measuring.remote import measure_over_ssh
    from nas.latency.measuring.transfer import import_results, make_bundle
    from nas.latency.runner.timing import CPU
    from nas.plugins import load_all
    from nas.space import SearchSpace
    from nas.support.errors import NasError

    _check({"--ssh": ssh, "--bundle": bundle, "--import": results}, runtime, provider, quick)
    remote = as_remote(ssh, ssh_option, python)
    if models and (results or accelerator is not None):
        other = "--import" if results else f"--runtime {VELA}"
        raise NasError(f"--models are timed, but {other} times nothing")
    load_all(plugin or ())
    provider = CPU if provider and provider.lower() == "cpu" else provider
    if minutes is None:
        minutes = QUICK_MINUTES if quick else MEASURE_MINUTES
    if results:
        given: dict[str, Any] = {"precision": precision, "threads": threads, "provider": provider}
        _print_result(*import_results(results, name=target, folder=folder, **given), as_json)
        return
    threads, precision = 1 if threads is None else threads, precision or DEFAULT_PRECISION
    if target is None:
        raise NasError("--target must name the target to make")
    folder = folder or folder_of(target)
    if (runtime == VELA) != (accelerator is not None):
        raise NasError("--runtime vela and --accelerator, such as ethos-u55-128, go together")
    if accelerator is not None and threads != 1:
        raise NasError(f"--threads {threads}: --runtime {VELA} times nothing")
    sample = SearchSpace.load(space).sample if space else None
    if accelerator is not None:
        _print_result(*_estimated(target, accelerator, minutes, folder, sample), as_json)
        return
    own, left_out = own_models(models, as_resolution(resolution)) if models else ({}, [])
    for line in left_out:
        echo(f"warning: {line}", err=True)
    settings: dict[str, Any] = {
        "own": list(own.values()),
        "minutes": minutes,
        "folder": folder,
        "provider": provider or CPU,
        "threads": threads,
        "precision": precision,
        "sample": sample or mixed_network,
    }
    if bundle:
        _print_bundle(bundle, make_bundle(target, bundle, say=say, **settings))
        return
    with _kept(folder / f"{target}.csv"):
        if remote is not None:
            settings |= {"python": remote.python, "ssh_options": remote.options}
            made = measure_over_ssh(target, remote.host, say=say, **settings)
        else:
            with show_progress(minutes * 60) as show:
                settings |= {"progress": show, "say": tell}
                made = measure_here(target, runtime=runtime, quick=quick, **settings)
    _print_result(*made, as_json, own)


def _check(chosen: dict[str, object], runtime: str, provider: str | None, quick: bool) -> None:
    """Errors: `NasError` for options that exclude each other; `chosen` is where it is measured."""
    from nas.support.errors import NasError

    given = [option for option, value in chosen.items() if value is not None]
    if len(given) > 1:
        raise NasError(f"{' and '.join(given)} exclude each other")
    if given and runtime != DEFAULT_RUNTIME:
        raise NasError(f"{given[0]} is for onnxruntime: --runtime {runtime} times this machine")
    if runtime != DEFAULT_RUNTIME and (provider or "cpu").lower() != "cpu":
        raise NasError(f"--provider {provider} is onnxruntime's, not for --runtime {runtime}")
    if quick and (given or runtime != DEFAULT_RUNTIME):
        raise NasError("--quick times this machine with onnxruntime")


def _estimated(
    target: str, accelerator: str, minutes: float, folder: Path, sample: Sampler | None
) -> tuple[Path, list[str]]:
    from nas.latency.measuring.estimating import estimate

    with _kept(folder / f"{target}.csv"), show_progress(minutes * 60) as show:
        ways: dict[str, Any] = {"progress": show, "sample": sample, "say": tell}
        return estimate(target, accelerator, minutes=minutes, folder=folder, **ways)


@contextmanager
def show_progress(seconds: float) -> Iterator[Callable[[MeasuringProgress], None]]:
    """A callback that shows how far a measurement is, on standard error: a bar, in a log lines."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from nas.cli.console import console

    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda progress: say(str(progress))
        return
    with Bar(
        BarColumn(), TextColumn("{task.description}", markup=False), console=out, transient=True
    ) as bar:
        task = bar.add_task("the first batch", total=seconds)
        yield lambda progress: bar.update(
            task, completed=progress.seconds, description=str(progress)
        )


@contextmanager
def _kept(table: Path) -> Iterator[None]:
    """Says after an interruption how many rows there are."""
    from nas.latency.table import read_table

    try:
        yield
    except KeyboardInterrupt:
        rows = len(read_table(table)) if table.exists() else 0
        said = "0 rows are kept: nothing was written"
        if rows:
            said = f"{rows} rows are kept in {table}; the same command goes on"
        echo(f"interrupted: {said}", err=True)
        raise typer.Exit(130) from None


def _print_bundle(bundle: Path, models: int) -> None:
    from nas.latency.measuring.bundle import SCRIPT
    from nas.latency.runner.main import FACTS, RESULTS

    echo(f"{bundle}: {models} models")
    echo(f"copy it to the device and run there: python3 {SCRIPT}")
    echo("  (it needs numpy and onnxruntime; stopped, the same command goes on)")
    echo(f"bring {RESULTS} and {FACTS} back: nas measure --import {RESULTS}")


def _print_result(
    path: Path, warnings: list[str], as_json: bool, own: Mapping[str, Subject] = {}
) -> None:
    from nas.latency import Target
    from nas.latency.table import read_table

    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    warn_of_hidden(path)
    facts = Target.load(path).metadata
    if as_json:
        echo_json({"file": str(path), **facts.shown()})
        return
    threads = f"{facts.threads} thread(s), " if facts.threads else ""
    how = f"{facts.runtime}, {threads}{facts.precision}"
    if facts.provenance == "estimated":
        echo(f"{facts.provenance}, not measured: {facts.sources[0]}")
    noise = f"; noise of the measurement {facts.noise:.1%}" if facts.noise is not None else ""
    echo(f"{path}: {facts.device}, {how}{noise}")
    rows = {row.subject: row for row in read_table(path.with_suffix(".csv"))} if own else {}
    for name, subject in own.items():
        row = rows.get(subject)
        echo(f"{name}: {row.latency_ms:.3g} ms" if row else f"{name}: not timed")
    if error := facts.error:
        echo(
            f"mean error of predictions for networks left out of the fit: {error.mape:.1%} "
            f"({error.networks} networks, {error.rows} rows)"
        )
    print_search_command(path)
