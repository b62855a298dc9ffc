"""The command `nas`: its commands, and how a mistake becomes one line and exit code 2."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from nas._version import __version__
from nas.cli import (
    auto,
    calibrate,
    compare,
    criteria,
    describe,
    export,
    manage,
    measure,
    plugins,
    proxies,
    prune,
    references,
    report,
    score,
    search,
    studies,
    train,
    verify,
)
from nas.cli.memory import watch_memory
from nas.cli.quiet import add_quiet
from nas.cli.terminal import clean, close_streams, echo, echo_lines, fail, say
from nas.support.errors import NO_MEMORY, NasError, NasNote, NasWarning, lacks_memory
from nas.support.files import at_home
from nas.support.signals import INTERRUPTED, exit_code

COMPLETING = "_NAS_COMPLETE"
LONGEST = 900  # no line of an error is longer, whatever value it shows

app = typer.Typer(
    name="nas",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:
    if asked:
        echo(f"nas {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def nas(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Find the most accurate small CNN for a device and a budget.

    FLOPs are multiply-adds, as in the mobile-vision literature (MobileNetV2 = 300M).
    """
    if context.invoked_subcommand is None:
        echo_lines(context.get_help())


app.command()(auto.auto)
app.command()(search.search)
app.command()(search.resume)
app.command()(compare.compare)
app.command()(studies.show)
app.command()(export.export)
app.command()(report.report)
app.command()(report.dashboard)
app.command()(train.train)
app.command()(prune.prune)
app.command()(describe.describe)
app.command("targets")(describe.list_targets)
app.command("spaces")(describe.list_spaces)
app.command("references")(references.list_references)
app.command("proxies")(proxies.list_proxies)
app.command("criteria")(criteria.list_criteria)
app.command()(score.score)
app.command()(measure.measure)
app.command()(calibrate.calibrate)
app.command()(verify.verify)
app.add_typer(manage.app, name="studies")
app.add_typer(plugins.app, name="plugins")


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 2 the user's mistake, 130 interrupted, 143
    terminated."""
    watch_memory()
    try:
        code = _run()
        sys.stdout.flush()
    except (NasError, TyperException) as error:
        code = _failed(_message(error), 2)
    except KeyboardInterrupt:
        code = _failed("interrupted", INTERRUPTED)
    except BrokenPipeError:  # what reads us has closed
        code = 0
    except (MemoryError, ImportError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        code = _failed(NO_MEMORY, 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _failed(f"{where}{error.strerror or error}", 2)
    close_streams()
    sys.exit(exit_code(code))


def _run() -> int:
    """Runs the command that was asked for; anew where the user allows a plugin that it wanted."""
    while True:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = partial(_warn, warnings.showwarning)
                return _run_once()
        except NasError as error:
            if not plugins.allowed_now(error):
                raise


def _warn(usual: Callable[..., None], message: Warning | str, *where: Any, **more: Any) -> None:
    """Shows a warning of nas' own as one line, others as ever."""
    if isinstance(message, NasNote):
        say(message)
    elif isinstance(message, NasWarning):
        echo(f"nas: warning: {message}", err=True)
    else:
        usual(message, *where, **more)


def _run_once() -> int:
    """Unlike typer's own way this leaves every error alone."""
    if COMPLETING in os.environ:
        app(prog_name="nas")  # answers the shell
    try:
        with (command := _command()).make_context(
            "nas", [_at_home(word) for word in sys.argv[1:]]
        ) as context:
            command.invoke(context)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


@cache
def _command() -> Any:
    """All commands, with their options; to make them costs more than most commands take."""
    command = get_command(app)
    add_quiet(command)
    return command


def _at_home(word: str) -> str:
    """An argument, or an option's `--name=value`, with the user's home for a leading `~`."""
    option, given, value = word.partition("=")
    if given and option.startswith("--"):
        return f"{option}={at_home(value)}"
    return at_home(word)


def _message(error: Exception) -> str:
    """The error's text, with the value that typer's own messages about a parameter leave out."""
    if not isinstance(error, TyperException):
        return str(error)
    options = getattr(getattr(error, "param", None), "opts", [])
    for word, following in pairwise([*sys.argv[1:], ""]):
        option, given, value = word.partition("=")
        if option.startswith("-") and option in options:  # an argument's is no word of the user's
            return f"{error.format_message()}, not '{value if given else following}'"
    return error.format_message()


def _failed(message: str, code: int) -> int:
    line = clean(" ".join(message.split()))
    fail(line if len(line) <= LONGEST else line[:LONGEST] + "…")
    return code
