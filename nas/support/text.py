"""Text from outside the program, made fit to be shown: nothing that moves a cursor, no password."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from math import floor, isfinite, log10

# What an encoding without these characters gets for them.
_ASCII = {"–": "-", "—": "-", "…": "...", "×": "x", "±": "+-", "µ": "u", "→": "->", "≤": "<=",
          "≥": ">=", "·": ".", "’": "'", "“": '"', "”": '"'}  # fmt: skip
HIDDEN = "***"
MAX_DIGITS = 18
# A URL's password, which may have spaces where the text begins with it; and what goes by such a
# name among a URL's options.
_BEFORE = r"(\w[\w+.-]*://[^\s:/@]*):"
_AT_START = re.compile(rf"^{_BEFORE}.*@", re.DOTALL)
_WITHIN = re.compile(rf"{_BEFORE}[^\s'\"]*@")
_IN_OPTION = re.compile(r"([?&](?:\w*passw(?:or)?d|pwd|secret|token)=)[^&\s'\"]*", re.IGNORECASE)


def whole_number(text: str) -> int | None:
    """The number that decimal digits write; None for other text, and for more digits than a number
    of 64 bits has, which Python may refuse to read.

    >>> whole_number("224"), whole_number("-1"), whole_number("9" * 5000)
    (224, None, None)
    """
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


def texts_of(given: Iterable[str]) -> Iterable[str]:
    """The texts that are given: several, or the one that a text is.

    >>> texts_of("width"), texts_of(["width"])
    (['width'], ['width'])
    """
    return [given] if isinstance(given, str) else given


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


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, those before the point in full, and no exponent.

    >>> [significant(v) for v in (0.02984, 5.126, 289.43, 12345.6, 0, 1e-7)]
    ['0.0298', '5.13', '289', '12346', '0', '0.0000001']
    """
    if not isfinite(value) or not value:
        return f"{value:g}"
    after = digits - 1 - floor(log10(abs(float(f"{value:.{digits - 1}e}"))))
    text = f"{value:.{max(after, 0)}f}"
    return text.rstrip("0").rstrip(".") if after > digits + 2 else text


def rough_count(count: int) -> str:
    """A number of things of any size: in full while it is short, else with two digits.

    >>> rough_count(16), rough_count(870_123), rough_count(8_701_230), rough_count(10**400)
    ('16', '870123', '8.7e+6', '1.0e+400')
    """
    return str(count) if count < 10**6 else f"{Decimal(count):.1e}"


def between(low: float, high: float) -> str:
    """An interval, with as many digits as tell its ends apart.

    >>> between(0.0604, 0.0638), between(4.871, 5.412), between(70, 140)
    ('0.0604–0.0638', '4.87–5.41', '70.0–140')
    """
    return f"{significant(low)}–{significant(high)}"
