"""The one way of text to the terminal: whatever a name or an error holds, it only shows.

No other module of the command line prints, and what is printed has neither characters that a
terminal would obey nor the password of a URL.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

from nas.support.text import in_ascii, masked, printable

FALLBACK = "nas.in_ascii"
quiet = False  # whether what is said on the way is left unsaid; `--quiet` sets it


def open_streams() -> None:
    """Makes standard input, output and error usable in a process that has just begun.

    One that was closed goes nowhere: the next file that is opened would take its place, and what is
    printed would be written there. A character that the encoding lacks is shown by others.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _discard(descriptor)
    codecs.register_error(FALLBACK, _fallback)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # others, put there by a program, stay as they are
            stream.reconfigure(errors=FALLBACK)


def close_streams() -> None:
    """Flushes standard output and error. One that nobody reads any more, or that is full, goes
    nowhere from then on, or the interpreter's own last flush would complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream.fileno())


def _discard(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)


def _fallback(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return in_ascii(error.object[error.start : error.end]), error.end


def clean(text: object) -> str:
    """The text on one line, fit to be shown."""
    return printable(masked(str(text)))


def say(text: object) -> None:
    """Says a line on the way, on standard error, unless the user wants it quiet."""
    if not quiet:
        echo(text, err=True)


def tell(text: object) -> None:
    """Says a line that matters on standard error, also where the user wants it quiet."""
    echo(text, err=True)


def echo(text: object, *, err: bool = False) -> None:
    """Prints one line, on standard error if `err`."""
    print(clean(text), file=sys.stderr if err else sys.stdout, flush=True)


def echo_lines(text: str) -> None:
    """Prints the lines of a text."""
    for line in text.removesuffix("\n").split("\n"):
        echo(line)


def echo_json(data: object) -> None:
    """Prints plain data as JSON on one line, in ASCII; what is no number is null."""
    print(json.dumps(_finite(data), allow_nan=False).replace("\x7f", "\\u007f"), flush=True)


def _finite(data: Any) -> Any:
    if isinstance(data, float):
        return data if isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    return [_finite(value) for value in data] if isinstance(data, list | tuple) else data


def can_ask() -> bool:
    """Whether a person is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """The user's answer to a question, which is no where nobody can be asked."""
    if not can_ask():
        return False
    print(f"{clean(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def fail(message: str) -> None:
    """Prints a mistake as one line on standard error, if anybody reads it."""
    with suppress(OSError):
        echo(f"nas: {message}", err=True)
