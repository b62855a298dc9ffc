"""`--quiet`, an option of every command: what is said on the way is not said."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.main import get_command

from nas.cli import terminal


def _set(quiet: bool) -> None:
    terminal.quiet = quiet


def _option(
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=_set,
            expose_value=False,
            is_eager=True,
            help="Say nothing on the way; results, warnings and errors are said.",
        ),
    ] = False,
) -> None: ...


def add_quiet(command: Any) -> None:
    """Gives the option to a command, or to each of a group, that does not have it."""
    for one in getattr(command, "commands", {}).values():
        add_quiet(one)
    known = {name for param in command.params for name in param.opts}
    if "--quiet" not in known:
        made = typer.Typer()
        made.command()(_option)
        command.params.extend(p for p in get_command(made).params if "--quiet" in p.opts)
