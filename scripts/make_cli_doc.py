"""Writes docs/cli.md: every command with its arguments and options, as the program knows them.

    python scripts/make_cli_doc.py [DOC.md]

Run it after a command has changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from nas.cli.main import app
from nas.support.files import write_whole

DOC = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# Commands

Made by `scripts/make_cli_doc.py` from the commands themselves. `nas COMMAND -h` prints the same.
NETWORK is a published network's name, a study (its best network), STUDY:TRIAL, the folder of a
training, or a file: an architecture's JSON, ONNX, or a TFLite file that nas wrote. An ONNX file of
another program is described, calibrated from and timed ([importing](importing.md)); where an
architecture is needed, as to train or export, it is refused.
"""


def text() -> str:
    """The whole document."""
    return "\n".join([HEAD, *_sections(get_command(app), "nas")])


def _sections(command: Any, name: str) -> Iterator[str]:
    if name != "nas":
        yield f"## {name}\n"
        yield f"{_line(command.help)}\n"
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        rows = [row for param in shown if (row := _row(param))]
        if rows:
            yield "| argument or option | what it is | default |\n|---|---|---|"
            yield "\n".join(rows) + "\n"
    for sub, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _sections(inner, f"{name} {sub}")


def _row(param: Any) -> str:
    option = param.param_type_name == "option"
    if option and param.name in ("help", "install_completion", "show_completion"):
        return ""
    names = ", ".join([*param.opts, *param.secondary_opts]) if option else _argument(param)
    default = param.default
    shown = "" if default in (None, False, "") or callable(default) or not option else str(default)
    return f"| `{names}` | {_line(getattr(param, 'help', '') or '')} | {_line(shown)} |"


def _argument(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _line(text: str) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, default=DOC, metavar="DOC.md")
    path = parser.parse_args().path
    write_whole(path, text())


if __name__ == "__main__":
    main()
