"""`nas plugins`: the plugins that may run whenever something stored names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import JsonOption
from nas.cli.terminal import ask, can_ask, echo, echo_json

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def list_allowed(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the plugins that studies and files may run, or change which ones do.

    A plugin is code. One that a study, or a file of options, names runs only if it is named with
    --plugin too, or if its content is among these.
    """
    if context.invoked_subcommand is not None:
        return
    from nas.approvals import approvals
    from nas.cli.tables import show, table

    known = approvals()
    if as_json:
        echo_json([{"path": path, "sha256": sha} for sha, path in known.items()])
    elif known:
        rows = [(path, sha) for sha, path in known.items()]
        show(table(("plugin", "SHA-256 of its content"), rows, left=2, fold=("plugin",)))
    else:
        echo("no plugin is allowed; allow one: nas plugins allow FILE")


@app.command()
def allow(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Python files.")],
) -> None:
    """Let plugins run wherever they are named, as long as they do not change."""
    from nas import plugins

    for file in files:
        allowed = plugins.allow(file)
        echo(f"allowed: {allowed.path} with SHA-256 {allowed.sha256}")


@app.command()
def forget(
    which: Annotated[list[str], typer.Argument(metavar="FILE|SHA-256...")],
) -> None:
    """Withdraw what was allowed."""
    import os

    from nas.approvals import approvals, withdraw

    for one in which:
        withdraw(one if one in approvals() else os.path.realpath(one))
        echo(f"forgotten: {one}")


def allowed_now(error: Exception) -> bool:
    """Whether the error is that a plugin was wanted, and the user allows it, being asked.

    Only a terminal is asked. The answer is remembered if it is yes.
    """
    from nas.plugins import PluginWanted, allow_file

    if not isinstance(error, PluginWanted) or not can_ask():
        return False
    echo(f"{error.owner} names a plugin, code that runs with all your rights:", err=True)
    echo(f"  {error.file.path}, SHA-256 {error.file.sha256}", err=True)
    if not ask("Run it, now and whenever it is named again?"):
        return False
    allow_file(error.file)
    return True
