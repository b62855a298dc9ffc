"""The one way of text to the terminal: whatever a name or an error holds, it only shows.

No other module of the command line prints, and what is printed has neither characters that a
terminal would obey nor the password of a URL.
"""

from __future__ import annotations

import json

import typer

from nas.support.text import masked, printable


def clean(text: object) -> str:
    """The text on one line, fit to be shown."""
    return printable(masked(str(text)))


def echo(text: object, *, err: bool = False) -> None:
    """Prints one line, on standard error if `err`."""
    typer.echo(clean(text), err=err)


def echo_lines(text: str) -> None:
    """Prints the lines of a text."""
    for line in text.removesuffix("\n").split("\n"):
        echo(line)


def echo_json(data: object) -> None:
    """Prints plain data as JSON on one line, in ASCII."""
    typer.echo(json.dumps(data).replace("\x7f", "\\u007f"))
