"""Tables as CSV: those that this program writes, read strictly, and the text of other programs'."""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import TypeVar

from nas.support.errors import NasError, shown
from nas.support.files import read_text, write_whole

T = TypeVar("T")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table whole or not at all."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_whole(path, text.getvalue())


def read_csv(
    path: Path,
    source: str,
    columns: Sequence[str],
    read: Callable[[list[str]], T],
    key: Callable[[T], Hashable],
) -> list[T]:
    """What `read` makes of each row's cells, one for each of the columns, in the order of
    `columns`, whatever that of the file is; no two have one `key`.

    Errors: `NasError` naming the `source`, the row (the header is row 1) and the rule it breaks,
    also where `read` or `key` raises one.
    """
    text = read_text(path, source)
    if not text.endswith("\n"):
        raise NasError(f"{source}: truncated: the last row has no line end")
    header, *lines = csv_rows(text, source)
    if sorted(header) != sorted(columns):
        raise NasError(
            f"{source}: the columns must be {','.join(columns)}, not {shown(','.join(header))}"
        )
    if not lines:
        raise NasError(f"{source}: it has no rows")
    order = [header.index(column) for column in columns]
    rows: list[T] = []
    seen: dict[Hashable, int] = {}
    for number, cells in enumerate(lines, 2):
        try:
            if len(cells) != len(columns):
                raise NasError(f"{len(cells)} cells; the table has {len(columns)} columns")
            row = read([cells[i] for i in order])
            first = seen.setdefault(key(row), number)
            if first != number:
                raise NasError(f"repeats row {first}")
        except NasError as error:
            raise NasError(f"{source}: row {number}: {error}") from None
        rows.append(row)
    return rows


def csv_rows(text: str, source: str, separator: str = ",") -> list[list[str]]:
    """The cells of each row. Errors: `NasError` for a quote that ends nowhere or within a cell."""
    try:
        return list(csv.reader(StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        raise NasError(f"{source}: not CSV: {error}") from None


def table_text(raw: bytes) -> str:
    """The text of a table as programs save them: in UTF-8, UTF-16 or else Windows' Latin-1; line
    ends are of one kind, and the line `sep=;` that Excel begins with is empty.

    >>> table_text(b"sep=;\\r\\ngr\\xf6\\xdfe;ms\\r\\n")
    '\\ngröße;ms\\n'
    """
    text = _decoded(raw).replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    first, end, rest = text.partition("\n")
    return end + rest if first.startswith("sep=") else text


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            return raw.decode(encoding)
    return raw.decode("latin-1")
