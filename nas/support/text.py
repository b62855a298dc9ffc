"""Text from outside the program, made fit to be shown: nothing that moves a cursor, no password."""

from __future__ import annotations

import re

# What an encoding without these characters gets for them.
_ASCII = {"–": "-", "—": "-", "…": "...", "×": "x", "±": "+-", "µ": "u", "→": "->", "≤": "<=",
          "≥": ">=", "·": ".", "’": "'", "“": '"', "”": '"'}  # fmt: skip
HIDDEN = "***"
# A URL's password, which may have spaces where the text begins with it; and what goes by such a
# name among a URL's options.
_BEFORE = r"(\w[\w+.-]*://[^\s:/@]*):"
_AT_START = re.compile(rf"^{_BEFORE}.*@", re.DOTALL)
_WITHIN = re.compile(rf"{_BEFORE}[^\s'\"]*@")
_IN_OPTION = re.compile(r"([?&](?:\w*passw(?:or)?d|pwd|secret|token)=)[^&\s'\"]*", re.IGNORECASE)


def printable(text: str) -> str:
    """The text with each character that cannot be printed written as Python escapes it.

    Control characters, line ends included, move a terminal's cursor or change what it shows, and
    those of writing direction change in which order it is read.

    >>> printable("a\\x1b[2J b")
    'a\\\\x1b[2J b'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def masked(text: str) -> str:
    """The text with `***` for the password of each URL in it.

    >>> masked("postgresql://nas:secret@host/db")
    'postgresql://nas:***@host/db'
    """
    for pattern in (_AT_START, _WITHIN):
        text = pattern.sub(rf"\1:{HIDDEN}@", text)
    return _IN_OPTION.sub(rf"\1{HIDDEN}", text)


def in_ascii(text: str) -> str:
    """The text in ASCII: signs by what is like them, others as Python escapes them.

    >>> in_ascii("1–2 é")
    '1-2 \\\\xe9'
    """
    return "".join(
        _ASCII.get(c, c.encode("unicode_escape").decode()) if c > "\x7f" else c for c in text
    )
