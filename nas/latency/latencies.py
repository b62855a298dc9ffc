"""The latencies that `nas calibrate` is given: a CSV of networks as people have them.

Columns: `network`, one of `UNITS` and, if wanted, `resolution` and `batch`; others are ignored. A
network is the name of a published one or a usual synonym, or the path (from the CSV's folder or the
working one) of an architecture's JSON or of an ONNX file, whoever wrote it. `resolution` (a number
or HEIGHTxWIDTH) is the input size of a published network, its own where it is not given, or of an
ONNX file that leaves it open. Rows of the same network are
repeated runs: their median counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nas.imported import ImportedNetwork, Network, network_cost
from nas.latency.table import check_latency
from nas.networks import find_network
from nas.resolution import read_resolution
from nas.support.errors import NasError, one_of
from nas.support.files import read_text
from nas.support.text import whole_number

# What a column's name says of its values: ms of one of its unit, negative for a rate.
UNITS = {
    **dict.fromkeys(("latency_ms", "ms", "time_ms", "milliseconds"), 1.0),
    **dict.fromkeys(("latency_us", "us", "microseconds"), 1e-3),
    **dict.fromkeys(("latency_s", "seconds", "s"), 1e3),
    **dict.fromkeys(("fps", "images/s", "images_s", "images_per_second", "throughput"), -1e3),
}
THROUGHPUTS = ("images/s", "images_s", "images_per_second", "throughput")
NAMES = ("network", "model", "name")
# Multiply-adds a second that no device reaches with one image at a time: of a network of up to
# 10^9, and in proportion of a larger one.
FASTEST = 3e12


class Latencies(NamedTuple):
    """Networks with their latencies in ms; whether these are times per image of batches; and what
    whoever gave them should know."""

    measured: list[tuple[Network, float]]
    throughput: bool
    notes: list[str]


class _Columns(NamedTuple):
    """Where in a row everything stands."""

    network: int
    value: int
    unit: str
    resolution: int | None
    batch: int | None


Finder = Callable[[str], Network]


def read_latencies(path: Path, elsewhere: Finder | None = None) -> Latencies:
    """The networks and their latencies. What is neither a published network's name nor a file is
    looked for `elsewhere`, too. Errors: `NasError` with file, row and rule."""
    text = read_text(path, f"measured {path}").removeprefix("\ufeff")
    try:
        lines = [cells for cells in csv.reader(io.StringIO(text), strict=True) if cells]
    except csv.Error as error:
        raise NasError(f"measured {path}: not CSV: {error}") from None
    if not lines:
        raise NasError(f"measured {path}: it is empty")
    try:
        columns, notes = _columns([cell.strip().lower() for cell in lines[0]])
    except NasError as error:
        raise NasError(f"measured {path}: {error}") from None
    runs: dict[str, list[float]] = {}
    networks: dict[str, Network] = {}
    batches: set[int] = set()
    for number, cells in enumerate(lines[1:], 2):
        try:
            if len(cells) != len(lines[0]):
                raise NasError(f"{len(cells)} cells; the file has {len(lines[0])} columns")
            arch, ms, batch = _row(
                [cell.strip() for cell in cells], columns, path.parent, elsewhere
            )
        except NasError as error:
            raise NasError(f"measured {path}: row {number}: {error}") from None
        runs.setdefault(arch.hash, []).append(ms)
        networks.setdefault(arch.hash, arch)
        batches.add(batch)
    if len(batches) > 1:
        shown = ", ".join(map(str, sorted(batches)))
        raise NasError(f"measured {path}: batch must be the same in all rows, not {shown}")
    repeated = [len(times) for times in runs.values() if len(times) > 1]
    if repeated:
        notes.append(
            f"{len(repeated)} networks were measured up to {max(repeated)} times: medians count"
        )
    for network in networks.values():
        if isinstance(network, ImportedNetwork) and network.unread:
            notes.append(f"{network.name}: {network.left_out}")
    throughput = columns.unit in THROUGHPUTS or max(batches, default=1) > 1
    if throughput:
        notes.append("times per image at full throughput: no latency of a single image")
    measured = [(networks[key], median(times)) for key, times in runs.items()]
    if not throughput:
        _check_plausible(path, columns.unit, measured)
    return Latencies(measured, throughput, notes)


def _columns(header: Sequence[str]) -> tuple[_Columns, list[str]]:
    for name in header:
        if name and header.count(name) > 1:
            raise NasError(f"column {name!r} must be there once")
    network = next((name for name in NAMES if name in header), None)
    values = [name for name in UNITS if name in header]
    if network is None:
        raise one_of("column for the networks, 'network',", ", ".join(header), NAMES)
    if not values:
        raise one_of("column for the latencies", ", ".join(header), UNITS)
    columns = _Columns(
        header.index(network),
        header.index(values[0]),
        values[0],
        header.index("resolution") if "resolution" in header else None,
        header.index("batch") if "batch" in header else None,
    )
    ignored = [name for i, name in enumerate(header) if i not in columns]
    return columns, [f"ignored columns: {', '.join(ignored)}"] if ignored else []


def _row(
    cells: Sequence[str], columns: _Columns, folder: Path, elsewhere: Finder | None
) -> tuple[Network, float, int]:
    text = cells[columns.value]
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise NasError(f"{columns.unit} must be a number above 0, not {text!r:.40}")
    written = cells[columns.batch] if columns.batch is not None else "1"
    batch = whole_number(written) or 0
    if not 1 <= batch <= 1 << 16:
        raise NasError(f"batch must be a whole number of at least 1, not {written!r:.40}")
    factor = UNITS[columns.unit]
    ms = -factor / value if factor < 0 else factor * value / batch
    check_latency(ms)
    resolution = cells[columns.resolution] if columns.resolution is not None else ""
    return _network(cells[columns.network], resolution, folder, elsewhere), ms, batch


def _check_plausible(path: Path, unit: str, measured: Sequence[tuple[Network, float]]) -> None:
    """Errors: `NasError` where the latencies are faster than any device."""
    for arch, ms in measured:
        macs = network_cost(arch).macs
        if 1e3 * macs / ms > FASTEST * max(1.0, macs / 1e9):
            raise NasError(
                f"measured {path}: {arch.name or 'a network'} in {ms:.3g} ms would be "
                f"{1e-9 * macs / ms:.3g} * 10^12 multiply-adds a second, more than any device: are "
                f"the values of {unit!r} seconds? Then name the column latency_s"
            )


def _network(name: str, resolution: str, folder: Path, elsewhere: Finder | None) -> Network:
    size = read_resolution(resolution) if resolution else None
    try:
        return find_network(name, size, folders=(folder, Path()))
    except NasError:
        if elsewhere is None or size is not None:
            raise
        return elsewhere(name)
