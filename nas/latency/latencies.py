"""The latencies that `nas calibrate` is given: a CSV of networks as people have them.

Columns: the network, latencies or rates in a column whose name has the unit (`UNITS`, `RATE`) and,
if wanted, `resolution` and `batch`; others are ignored. A network is the name of a published one or
a usual synonym, or the path (from the CSV's folder or the working one) of an architecture's JSON or
of an ONNX file, whoever wrote it. `resolution` (a number or HEIGHTxWIDTH) is the input size of a
published network, its own where it is not given, or of an ONNX file that leaves it open. Rows of
the same network are repeated runs, unless a setting tells them apart: their median counts. Cells
that are separated by semicolons or tabs may have decimal commas. The text is in UTF-8 or as Excel
saves it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nas.imported import ImportedNetwork, Network, network_cost
from nas.latency.measured_columns import (
    MISSING,
    Columns,
    find_columns,
    number_of,
    of_batches,
    of_queries,
    size_of,
    whole_text,
)
from nas.latency.plausible import check_plausible, image_ms
from nas.latency.repeats import Row, check_repeats
from nas.latency.table import check_latency
from nas.networks import SUFFIXES, find_network
from nas.references import meant
from nas.resolution import read_resolution
from nas.support.errors import NasError, shown
from nas.support.files import read_bytes
from nas.support.tables import csv_rows, table_text
from nas.support.text import whole_number

SEPARATORS = ",;\t"
CONTRADICTION = 0.1  # of the share by which two latencies or rates in one row may differ
NAMED = 3  # of the networks that are unknown


class Latencies(NamedTuple):
    """Networks with their latencies in ms; whether these are times per image of batches; and what
    whoever gave them should know."""

    measured: list[tuple[Network, float]]
    throughput: bool
    notes: list[str]


Finder = Callable[[str], Network]


class _Places(NamedTuple):
    """Where networks are looked for."""

    folder: Path
    elsewhere: Finder | None


class _UnknownName(NasError):
    """A name that is none of a network; a file's or a study's has an error of its own."""


def read_latencies(path: Path, elsewhere: Finder | None = None) -> Latencies:
    """The networks and their latencies. What is neither a published network's name nor a file is
    looked for `elsewhere`, too. Errors: `NasError` with file, row and rule."""
    where = f"measured {path}"
    text = table_text(read_bytes(path, where))
    separator = max(SEPARATORS, key=text.lstrip().partition("\n")[0].count)
    stripped = ([cell.strip() for cell in cells] for cells in csv_rows(text, where, separator))
    lines = [(number, cells) for number, cells in enumerate(stripped, 1) if any(cells)]
    if not lines:
        raise NasError(f"{where}: it is empty")
    (_, header), *rows = lines
    try:
        whole = [(number, cells) for number, cells in rows if len(cells) == len(header)]
        columns = find_columns(header, whole, separator)
        return _read(header, rows, columns, _Places(path.parent, elsewhere))
    except NasError as error:
        raise NasError(f"{where}: {error}") from None


def _read(
    header: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    columns: Columns,
    places: _Places,
) -> Latencies:
    runs: dict[str, list[Row]] = {}
    networks: dict[str, Network] = {}
    batches: set[int] = set()
    contradicted: list[str] = []
    unknown: dict[str, str] = {}
    ignored = columns.ignored(header)
    notes = [f"ignored columns: {', '.join(ignored.values())}"] if ignored else []
    for number, cells in rows:
        try:
            if len(cells) != len(header):
                raise NasError(f"{len(cells)} cells; the file has {len(header)} columns")
            if cells[columns.value].lower() in MISSING:
                continue
            size, ms, batch = _row(cells, columns)
            arch = _network(cells[columns.network], size, places)
            network_cost(arch)  # where it cannot be built, the row is still known
        except _UnknownName as error:
            unknown.setdefault(cells[columns.network], f"row {number}: {error}")
            continue
        except NasError as error:
            raise NasError(f"row {number}: {error}") from None
        runs.setdefault(arch.hash, []).append(Row(number, cells, ms))
        networks.setdefault(arch.hash, arch)
        batches.add(batch)
        if other := _contradicting(cells, columns, ms, batch):
            own = f"{columns.unit} {cells[columns.value]:.40}"
            contradicted.append(f"row {number} has {own} and {other}")
    if unknown:
        raise NasError(_in_one_line(unknown))
    if not runs:
        raise NasError("no row has a latency")
    if len(batches) > 1:
        listed = ", ".join(map(str, sorted(batches)))
        raise NasError(f"batch must be the same in all rows, not {listed}")
    check_repeats(runs.values(), ignored)
    if missing := len(rows) - sum(map(len, runs.values())):
        notes.append(f"{missing} rows have no latency, so they are left out")
    if contradicted:
        more = f" (and {others} more such)" if (others := len(contradicted) - 1) else ""
        notes.append(f"{contradicted[0]}{more}, a contradiction: {columns.unit} counts")
    repeated = [len(times) for times in runs.values() if len(times) > 1]
    if repeated:
        notes.append(
            f"{len(repeated)} networks were measured up to {max(repeated)} times: medians count"
        )
    imported = [network for network in networks.values() if isinstance(network, ImportedNetwork)]
    notes += [f"{network.name}: {network.left_out}" for network in imported if network.unread]
    throughput = of_batches(columns.unit) or max(batches) > 1
    if throughput:
        notes.append("times per image at full throughput: no latency of a single image")
    measured = [(networks[key], median(row.ms for row in own)) for key, own in runs.items()]
    if not throughput:
        places_of = [f"row {own[0].number}" for own in runs.values()]
        check_plausible(measured, columns.unit, columns.unit_ms, places_of)
    return Latencies(measured, throughput, notes)


def _in_one_line(unknown: Mapping[str, str]) -> str:
    """The error of the first unknown network, and the names of the next."""
    first, *others = unknown
    if not others:
        return unknown[first]
    more = f" and {len(others) - NAMED} more" if others[NAMED:] else ""
    return f"{unknown[first]}; unknown too: {', '.join(map(shown, others[:NAMED]))}{more}"


def _row(cells: Sequence[str], columns: Columns) -> tuple[str, float, int]:
    """The input's size, the ms of an image and the batch."""
    text = cells[columns.value]
    value = number_of(text, columns.decimal_comma)
    if not value:
        raise NasError(f"{columns.unit} must be a number above 0, not {text!r:.40}")
    size, own = size_of(whole_text(cells, columns.size))
    written = (columns.batch is not None and whole_text(cells, [columns.batch])) or own
    batch = whole_number(written) or 0
    if not 1 <= batch <= 1 << 16:
        raise NasError(f"batch must be a whole number of at least 1, not {written!r:.40}")
    if own not in ("1", written):
        raise NasError(f"the input's size has a batch of {own:.40}, the batch is {written}")
    if batch > 1 and of_queries(columns.unit):
        raise NasError(
            f"{columns.unit!r} may be of images or of batches of {batch}: give images_s instead"
        )
    ms = image_ms(value, columns.unit_ms, batch)
    check_latency(ms)
    return size, ms, batch


def _contradicting(cells: Sequence[str], columns: Columns, ms: float, batch: int) -> str:
    """The first other column that says something else than `ms`, and its cell; "" if none does. A
    rate is comparable with a latency one image at a time."""
    for i, name, unit_ms in columns.others:
        value = number_of(cells[i], columns.decimal_comma)
        if value and (batch == 1 or unit_ms * columns.unit_ms > 0):
            other = image_ms(value, unit_ms, batch)
            if abs(ms - other) > CONTRADICTION * other:
                return f"{name} {cells[i]:.40}"
    return ""


def _network(name: str, resolution: str, places: _Places) -> Network:
    size = read_resolution(resolution) if resolution else None
    try:
        return find_network(name, size, folders=(places.folder, Path()))
    except NasError as error:
        unknown = _is_plain_name(name, places.folder)
        if places.elsewhere is None or size is not None or os.path.isfile(places.folder / name):
            raise (_UnknownName(error) if unknown else error) from None
        try:
            return places.elsewhere(name)
        except NasError as error:
            raise (_UnknownName(error) if unknown else error) from None


def _is_plain_name(name: str, folder: Path) -> bool:
    """Whether nothing but a published network or a study can be meant, and no published one is."""
    plain = re.fullmatch(r"[\w.+ -]+", name) and Path(name).suffix not in SUFFIXES
    return bool(plain) and meant(name) is None and not os.path.exists(folder / name)
