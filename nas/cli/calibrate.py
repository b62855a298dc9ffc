"""`nas calibrate`."""

from __future__ import annotations

import shlex
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption, PluginOption
from nas.cli.terminal import echo, echo_json
from nas.defaults import DEFAULT_SPACE

if TYPE_CHECKING:
    from nas.latency.metadata import Metadata


def calibrate(
    target: Annotated[
        str | None, typer.Option(help="Name of the target to make.", show_default=False)
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="CSV of network and latency_ms, latency_us, latency_s, fps or images_s; also "
            "resolution and batch: a network is a published one's name, or the path of an "
            "architecture's JSON or of an ONNX file, whoever wrote it, a study, STUDY:TRIAL or the "
            "folder of a training.",
            show_default=False,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            help="Target that the device resembles. Default: what devices have in common.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="What the device is called.")] = "",
    runtime: Annotated[
        str, typer.Option(help="What ran the networks; part of what a target is.")
    ] = "",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8; the base's or fp32.")] = "",
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Where TARGET.yaml is written. Default: your own folder, where every command "
            "finds it, or ./latency_tables where the target is there.",
            show_default=False,
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(
            help="Instead: write that many networks of --space that are worth measuring.",
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str, typer.Option(help="For --suggest: a space or a YAML file.")
    ] = DEFAULT_SPACE,
    output: Annotated[Path, typer.Option(help="For --suggest: the folder that is written.")] = Path(
        "to_measure"
    ),
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a target of 3 or more known latencies, best 10 to 50, or say which to measure."""
    from nas import plugins
    from nas.support.errors import NasError

    plugins.load_all(plugin)
    if suggest is not None:
        if target is not None or measured is not None:
            raise NasError(f"--suggest {suggest} makes no target: leave out --target and --from")
        _suggest(suggest, space, output, as_json)
        return
    if target is None or measured is None:
        raise NasError("give --target and --from, or --suggest: what there is to do")
    _calibrate(target, measured, base, device, runtime, precision, folder, as_json)


def _calibrate(
    target: str,
    measured: Path,
    base: str | None,
    device: str,
    runtime: str,
    precision: str,
    folder: Path | None,
    as_json: bool,
) -> None:
    from nas.cli.made import print_search_command, warn_of_hidden
    from nas.latency import Target
    from nas.latency import calibrate as calibrated
    from nas.latency.folders import calibrated_file
    from nas.latency.latencies import read_latencies
    from nas.study.networks import find_network

    path = calibrated_file(target, folder)
    with _heard() as said:
        start = Target.load(base) if base else None
        given = read_latencies(measured, lambda network: find_network(network)[0])
        made = calibrated(
            given.measured,
            start,
            name=target,
            device=device,
            runtime=runtime,
            precision=precision,
            throughput=given.throughput,
        )
    made.save(path)
    warn_of_hidden(path)
    doubts = _doubts(made.metadata)
    if as_json:
        told = [*given.notes, *said, *doubts]
        echo_json({"file": str(path), **made.metadata.shown(), "warnings": told})
        return
    for note in given.notes:
        echo(f"{measured}: {note}")
    _print(path, made.metadata)
    for doubt in doubts:
        echo(f"warning: {doubt}", err=True)
    print_search_command(path)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The warnings of nas' own that come in this context, which are shown as ever."""
    from nas.support.errors import NasWarning

    said: list[str] = []
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def hear(message: Warning | str, *where: Any, **more: Any) -> None:
            if isinstance(message, NasWarning):
                said.append(str(message))
            shown(message, *where, **more)

        warnings.showwarning = hear
        yield said


def _doubts(facts: Metadata) -> list[str]:
    """What makes a target that was calibrated so less sure than it could be."""
    from nas.latency.calibration import FEW
    from nas.latency.metadata import UNSTATED

    doubts = []
    if facts.runtime == UNSTATED:
        doubts.append("--runtime is not given: runtimes rank networks differently on one device")
    if facts.error is not None and facts.error.networks < FEW:
        doubts.append(
            f"{facts.error.networks} networks are few: give at least {FEW} that differ, or the "
            "error is itself uncertain; nas calibrate --suggest says which"
        )
    return doubts


def _print(path: Path, facts: Metadata) -> None:
    error = facts.error
    assert error is not None
    echo(
        f"{path}: {facts.device}, runtime {facts.runtime}, {facts.provenance} on "
        f"{error.networks} networks"
    )
    echo(f"{facts.sources[-1]}")
    echo(
        f"mean error of networks left out of the fit: {error.mape:.1%}; usual 90% interval: "
        f"prediction / {error.interval_factor:.4g} to prediction * {error.interval_factor:.4g}, "
        "wider for other networks"
    )
    if facts.notes:
        echo(facts.notes)


def _suggest(count: int, space: str, folder: Path, as_json: bool) -> None:
    """Writes the networks as ONNX, and the CSV that waits for their latencies."""
    from nas.formats.onnx_model import to_onnx
    from nas.latency.suggest import check_count, suggest
    from nas.space import SearchSpace
    from nas.support.errors import NasError
    from nas.support.files import write_whole

    check_count(count)
    sample = SearchSpace.load(space).sample
    part = folder / ".part"  # what a call that was killed may have left
    if folder.exists() and (not folder.is_dir() or set(folder.iterdir()) - {part}):
        raise NasError(f"--output {folder} exists and is no empty folder")
    found = suggest(sample, count)
    networks = [arch.renamed(f"{i:02}.onnx") for i, arch in enumerate(found.networks, 1)]
    files = [folder / arch.name for arch in networks]
    table = folder / "measured.csv"
    rows = [f"{file.name}," for file in files]
    try:
        for arch in networks:
            write_whole(part / arch.name, to_onnx(arch).SerializeToString())
        write_whole(part / table.name, "\n".join(["network,latency_ms", *rows, ""]))
        for file in (*files, table):
            (part / file.name).rename(file)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if as_json:
        echo_json(
            {
                "networks": [arch.hash for arch in networks],
                "files": [str(file) for file in files],
                "expected_error": found.error,
                "table": str(table),
            }
        )
        return
    echo(f"{folder}: {count} networks of {space} that teach most, the first ones most")
    echo(
        f"to be expected from them: a mean error of about {found.error:.1%} for other networks of "
        f"{space}, beside the noise"
    )
    quoted = shlex.quote(str(table))
    echo(f"fill in {table}, then: nas calibrate --target NAME --from {quoted} --runtime WHAT")
