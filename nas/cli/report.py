"""`nas report` and `nas dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.data import MovedOption
from nas.cli.options import PluginOption, StorageOption
from nas.cli.terminal import echo


def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A study's name, its journal's path, or the folder of a training."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page to write.")] = Path(
        "report.html"
    ),
    plots: Annotated[
        Path | None,
        typer.Option(help="Folder for every plot, as PNG and SVG.", show_default=False),
    ] = None,
    data: MovedOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a page about a study or a training that needs no other file and no network."""
    from nas import plugins
    from nas.report.study import study_report
    from nas.report.training_page import training_report
    from nas.study import Study
    from nas.support.errors import NasError
    from nas.training.trained import is_training

    if output.suffix not in (".html", ".htm"):
        raise NasError(f"--output {output}: must end in .html")
    plugins.load_all(plugin)
    if is_training(study):
        html, charts = training_report(Path(study), data)
    else:
        made = study_report(Study.load(study, storage), data)
        html, charts = made.html, made.charts
    write_report(output, html, charts, plots)


def write_report(output: Path, html: str, charts: list, plots: Path | None) -> None:  # type: ignore[type-arg]
    """Writes a page, and its charts where there is a folder for them."""
    from nas.charts.figure import save_all
    from nas.support.files import write_whole

    write_whole(output, html)
    echo(f"{output}: {len(charts)} plots, {len(html) / 1e3:.0f} kB; it needs no other file")
    if plots is not None:
        save_all(charts, plots)
        echo(f"{plots}: each plot as PNG and SVG")
