"""The latencies that `nas calibrate` is given: a strictly read CSV of networks.

Columns: network, latency_ms and, if wanted, resolution. A `network` is the name of a published one,
or the path (from the CSV's folder or the working one) of an architecture's JSON or of an ONNX file
that this program wrote. `resolution` is the input size of a published network, its own where it is
not given.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from nas.architecture import Architecture
from nas.latency.table import check_latency
from nas.networks import find_network
from nas.support.errors import NasError, one_of
from nas.support.files import read_text

REQUIRED = ("network", "latency_ms")
COLUMNS = (*REQUIRED, "resolution")
Measured = list[tuple[Architecture, float]]


def read_latencies(path: Path) -> Measured:
    """The networks and their latencies in ms. Errors: `NasError` with file, row and rule."""
    text = read_text(path, f"measured {path}").removeprefix("\ufeff")
    try:
        lines = [cells for cells in csv.reader(io.StringIO(text), strict=True) if cells]
    except csv.Error as error:
        raise NasError(f"measured {path}: not CSV: {error}") from None
    if not lines:
        raise NasError(f"measured {path}: it is empty")
    header = [cell.strip() for cell in lines[0]]
    for column in header:
        if column not in COLUMNS:
            raise NasError(f"measured {path}: {one_of('column', column, COLUMNS)}")
    for column in COLUMNS:
        if header.count(column) > 1 or (column in REQUIRED and column not in header):
            raise NasError(f"measured {path}: column '{column}' must be there once")
    found: Measured = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines[1:], 2):
        try:
            arch, latency_ms = _row(header, cells, path.parent)
            if arch.hash in seen:
                raise NasError(f"{arch.name or cells[0]!r} is the network of row {seen[arch.hash]}")
        except NasError as error:
            raise NasError(f"measured {path}: row {number}: {error}") from None
        seen[arch.hash] = number
        found.append((arch, latency_ms))
    return found


def _row(header: Sequence[str], cells: Sequence[str], folder: Path) -> tuple[Architecture, float]:
    if len(cells) != len(header):
        raise NasError(f"{len(cells)} cells; the file has {len(header)} columns")
    row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    try:
        latency_ms = float(row["latency_ms"])
    except ValueError:
        latency_ms = 0.0
    if not (isfinite(latency_ms) and latency_ms > 0):
        raise NasError(f"latency_ms must be a number above 0, not {row['latency_ms']!r:.40}")
    check_latency(latency_ms)
    return _network(row["network"], row.get("resolution", ""), folder), latency_ms


def _network(name: str, resolution: str, folder: Path) -> Architecture:
    if resolution and not resolution.isdecimal():
        raise NasError(f"resolution must be a whole number, not {resolution!r:.40}")
    size = int(resolution) if resolution else None
    return find_network(name, size, folders=(folder, Path()))
