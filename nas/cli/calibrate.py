"""`nas calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import PluginOption
from nas.cli.terminal import echo
from nas.defaults import TARGETS_FOLDER


def calibrate(
    target: Annotated[str, typer.Option(help="Name of the target to make.")],
    measured: Annotated[
        Path,
        typer.Option(
            "--from",
            help="CSV of network,latency_ms[,resolution]: a network is a published one's name, "
            "or the path of an architecture's JSON or of an ONNX file written by nas.",
        ),
    ],
    base: Annotated[
        str | None,
        typer.Option(
            help="Target that the device resembles. Default: what the latencies make likely.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="What the device is called.")] = "",
    runtime: Annotated[str, typer.Option(help="What ran the networks.")] = "",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8; the base's or fp32.")] = "",
    folder: Annotated[Path, typer.Option(help="Where TARGET.yaml is written.")] = TARGETS_FOLDER,
    plugin: PluginOption = None,
) -> None:
    """Make a target of 10 to 50 known latencies of a device."""
    from nas import plugins
    from nas.cli.measure import print_search_command
    from nas.latency import Target
    from nas.latency import calibrate as calibrated
    from nas.latency.calibration import FEW
    from nas.latency.latencies import read_latencies
    from nas.support.errors import NasError
    from nas.support.files import write_whole

    plugins.load_all(plugin)
    path = folder / f"{target}.yaml"
    if path.with_suffix(".csv").exists():
        raise NasError(f"--target {target}: {folder} has a table of that name; choose another name")
    start = Target.load(base) if base else None
    made = calibrated(
        read_latencies(measured),
        start,
        name=target,
        device=device,
        runtime=runtime,
        precision=precision,
    )
    write_whole(path, made.metadata.to_yaml())
    facts, error = made.metadata, made.metadata.error
    assert error is not None
    echo(f"{path}: {facts.device}, {facts.provenance} on {error.networks} networks")
    echo(f"{facts.sources[-1]}")
    echo(
        f"mean error of networks left out of the fit: {error.mape:.1%}; 90% interval: "
        f"prediction / {error.interval_factor:.3f} to prediction * {error.interval_factor:.3f}"
    )
    if facts.notes:
        echo(facts.notes)
    if error.networks < FEW:
        echo(
            f"warning: {error.networks} networks are few: give at least {FEW} that differ, or the "
            "error is itself uncertain",
            err=True,
        )
    print_search_command(path)
