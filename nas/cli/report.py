"""`nas report` and `nas dashboard`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.data import MovedOption
from nas.cli.options import PluginOption, StorageOption, StudyArgument
from nas.cli.terminal import echo, say
from nas.support.errors import NasError
from nas.support.resources import install_extra

if TYPE_CHECKING:
    from nas.charts import Chart

PlotsOption = Annotated[
    Path | None, typer.Option(help="Folder for every plot, as PNG and SVG.", show_default=False)
]


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
    plots: PlotsOption = None,
    data: MovedOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a page about a study or a training: one file that needs no other and no network."""
    from nas import plugins
    from nas.report.study import study_report
    from nas.report.training_page import training_report
    from nas.study.networks import load_study
    from nas.study.storage.storage import locate
    from nas.training.checkpoint import is_training

    check_page(output, "--output")
    plugins.load_all(plugin)
    if is_training(study):
        html, charts = training_report(Path(study), data)
    elif Path(study).is_dir() and study not in locate(study, storage)[0].names():
        raise NasError(f"{study}: a folder without a training: it has no training.json")
    else:
        html, charts = study_report(load_study(study, storage), data)
    write_report(output, html, charts, plots)


def check_page(path: Path, option: str) -> None:
    """Refuses a page that would not open in a browser. Errors: `NasError`."""
    if path.suffix not in (".html", ".htm"):
        raise NasError(f"{option} {path}: must end in .html")


def write_report(output: Path, html: str, charts: Sequence[Chart], plots: Path | None) -> None:
    """Writes a page, and its charts where there is a folder for them."""
    from nas.charts.figure import save_all
    from nas.support.files import write_whole

    write_whole(output, html)
    say(f"{output}: {len(charts)} plots, {len(html) / 1e3:.0f} kB in one file")
    if plots is not None:
        save_all(charts, plots)
        say(f"{plots}: each plot as PNG and SVG")


def dashboard(
    study: StudyArgument,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    storage: StorageOption = None,
) -> None:
    """Show a study in optuna-dashboard, until Ctrl-C."""
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise NasError(f"dashboard: it needs {install_extra('dashboard')}") from None
    from nas.study import Study
    from nas.study.objectives import titles
    from nas.study.quiet import name_values
    from nas.study.storage.storage import locate

    where, name = locate(study, storage)
    opened = Study.open(where, name)
    if opened.optuna.metric_names is None:  # of an older hw-nas
        settings = opened.settings
        name_values(opened.optuna, titles(settings.objectives, opened.score_name))
    echo(f"http://{host}:{port}/ shows the studies in {where}; Ctrl-C ends it", err=True)
    run_server(where.optuna_storage(name), host=host, port=port)
