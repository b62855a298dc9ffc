"""`nas measure`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import PluginOption


def measure(
    target: Annotated[str, typer.Option(help="Name of the target to make or to go on with.")],
    minutes: Annotated[
        float, typer.Option(help="Time to spend; at least one batch (about 10 s) runs.")
    ] = 9.0,
    threads: Annotated[int, typer.Option(help="Threads of the runtime.")] = 1,
    space: Annotated[
        str, typer.Option(help="Space whose networks and layers are timed: a name or a file.")
    ] = "mobile",
    folder: Annotated[
        Path, typer.Option(help="Where TARGET.csv and TARGET.yaml are written.")
    ] = Path("latency_tables"),
    plugin: PluginOption = None,
) -> None:
    """Time this machine with onnxruntime; make it a target."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from nas.latency import Target
    from nas.latency.measure import Progress as Measured
    from nas.latency.measure import measure as measure_machine
    from nas.latency.table import read_table
    from nas.latency.target import FOLDER
    from nas.plugins import load_all
    from nas.space import SearchSpace

    load_all(plugin or ())
    sampled = SearchSpace.load(space)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("starting", total=minutes * 60)

    def show(measured: Measured) -> None:
        bar.start()
        bar.update(task, completed=measured.seconds, description=f"{measured.rows} rows")

    try:
        path = measure_machine(
            target,
            minutes=minutes,
            threads=threads,
            folder=folder,
            progress=show,
            sample=sampled.sample,
        )
    except KeyboardInterrupt:
        table = folder / f"{target}.csv"
        rows = len(read_table(table)) if table.exists() else 0
        said = "0 rows are kept: nothing was written"
        if rows:
            said = f"{rows} rows are kept in {table}; the same command goes on"
        typer.echo(f"interrupted: {said}", err=True)
        raise typer.Exit(130) from None
    finally:
        if bar.live.is_started:
            bar.stop()
    facts = Target.load(path).metadata
    noise = f"; noise of the measurement {facts.noise:.1%}" if facts.noise is not None else ""
    typer.echo(f"{path}: {facts.device}, {facts.runtime}, {facts.threads} thread(s){noise}")
    if facts.error:
        error = facts.error
        typer.echo(
            f"mean error of predictions for networks left out of the fit: {error.mape:.1%} "
            f"({error.networks} networks, {error.rows} rows)"
        )
    known = folder.resolve() == Path(FOLDER).resolve()
    name = target if known else shlex.quote(str(path))
    typer.echo(f"search for it: nas search --target {name} --budget 300MFLOPs")
