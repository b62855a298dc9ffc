"""Tables in files as rows of text: CSV, TSV, columns in a text file, or a JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path

from nas.data.findings import shown_path
from nas.support.errors import NasError
from nas.support.files import read_bytes
from nas.support.tables import csv_rows, table_text

DELIMITERS = ",;\t|"
SAMPLED = 50  # lines by which what parts the columns is known
PIXELS = 49  # whole numbers in a row, or in a cell, that can only be an image's values: 7x7


def read_table(path: Path) -> list[list[str]]:
    """The rows of a table, cells without white space around them; the first may be a header.

    Its text is as `table_text` reads it. Columns are parted by what all rows have; those of a text
    file with neither commas, semicolons nor tabs by spaces, if they are two. Errors: `NasError`
    where it cannot be read or holds the values of pixels.
    """
    shown = shown_path(path, path.parent)
    text = table_text(read_bytes(path, shown, most=None)).lstrip(" \n")
    if path.suffix.lower() == ".jsonl":
        return _objects(text)
    lines = text.splitlines()
    if not (some := [line for line in lines[:SAMPLED] if line]):
        return []
    delimiter = max(
        DELIMITERS, key=lambda mark: (all(mark in x for x in some), some[0].count(mark))
    )
    if path.suffix.lower() == ".txt" and delimiter not in some[0]:
        cells = [line.split() for line in lines]
        return [row for row in cells if row] if all(len(row) in (0, 2) for row in cells) else []
    if any(_is_pixels(line.replace(delimiter, " ")) for line in some[:2]):
        raise NasError(
            f"{shown} holds the values of pixels, which are not read from tables: write each row "
            "as an image file into a folder of its class"
        )
    return [[cell.strip() for cell in row] for row in csv_rows(text, shown, delimiter) if row]


def _is_pixels(line: str) -> bool:
    whole = [cell for cell in line.split() if cell.isdecimal()]
    return len(whole) >= PIXELS and any(int(cell[:9]) > 1 for cell in whole)


def _objects(text: str) -> list[list[str]]:
    """The objects of JSON lines as rows below a header of all their names."""
    objects = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            objects.append(value)
    head = list(dict.fromkeys(name for row in objects for name in row))
    plain = (str, int, float)
    return [head] + [
        [str(value) if isinstance(value := row.get(name), plain) else "" for name in head]
        for row in objects
    ]
