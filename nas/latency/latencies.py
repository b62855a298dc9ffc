"""The latencies that `nas calibrate` is given: a CSV of networks as people have them.

Columns: the network, latencies or rates in a column whose name has the unit (`UNITS`, `RATE`) and,
if wanted, `resolution` and `batch`; others are ignored. A network is the name of a published one or
a usual synonym, or the path (from the CSV's folder or the working one) of an architecture's JSON or
of an ONNX file, whoever wrote it. `resolution` (a number or HEIGHTxWIDTH) is the input size of a
published network, its own where it is not given, or of an ONNX file that leaves it open. Rows of
the same network are repeated runs: their median counts. Cells that are separated by semicolons or
tabs may have decimal commas. The text is in UTF-8 or as Excel saves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import isfinite
from pathlib import Path
from statistics import median
from typing import NamedTuple

from nas.imported import ImportedNetwork, Network, network_cost
from nas.latency.plausible import check_plausible, image_ms
from nas.latency.table import check_latency
from nas.networks import find_network
from nas.resolution import read_resolution
from nas.support.errors import NasError
from nas.support.files import read_bytes
from nas.support.tables import csv_rows, table_text
from nas.support.text import whole_number

CONTRADICTION = 0.1  # of the share by which two latencies or rates in one row may differ
UNITS = {  # ms of one
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-3),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-6),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1e3),
}
RATE = re.compile(r"(?:fps|(?:frame|image|img|sample)s?_(?:per_)?(?:s|sec|second))")
# Words of a column's name that say neither a unit nor that the column is of something else.
FILLERS = {
    "mean",
    "avg",
    "average",
    "median",
    "inference",
    "infer",
    "latency",
    "time",
    "throughput",
}
NAMES = ("network", "model", "name", "model_name", "architecture", "arch", "file", "path")
RESOLUTIONS = ("resolution", "input_resolution", "input_size", "image_size", "img_size")
BATCHES = ("batch", "batch_size", "batchsize")
SEPARATORS = ",;\t"
CHANNELS = ("1", "3")  # of images
MISSING = ("", "-", "nan", "na", "n/a", "none", "null")


class Latencies(NamedTuple):
    """Networks with their latencies in ms; whether these are times per image of batches; and what
    whoever gave them should know."""

    measured: list[tuple[Network, float]]
    throughput: bool
    notes: list[str]


class _Columns(NamedTuple):
    """Where in a row everything stands; of the values the column's name and the ms of one of its
    unit, negative for a rate; of the `others` that say the same, where, name and ms of one."""

    network: int
    value: int
    resolution: int | None
    batch: int | None
    others: tuple[tuple[int, str, float], ...]
    unit: str
    unit_ms: float
    decimal_comma: bool


Finder = Callable[[str], Network]


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
        columns, notes = _columns(header, decimal_comma=separator != ",")
    except NasError as error:
        raise NasError(f"{where}: {error}") from None
    runs: dict[str, list[float]] = {}
    networks: dict[str, Network] = {}
    batches: set[int] = set()
    contradicted: list[str] = []
    for number, cells in rows:
        try:
            if len(cells) != len(header):
                raise NasError(f"{len(cells)} cells; the file has {len(header)} columns")
            if cells[columns.value].lower() in MISSING:
                continue
            arch, ms, batch = _row(cells, columns, path.parent, elsewhere)
            network_cost(arch)  # where it cannot be built, the row is still known
        except NasError as error:
            raise NasError(f"{where}: row {number}: {error}") from None
        runs.setdefault(arch.hash, []).append(ms)
        networks.setdefault(arch.hash, arch)
        batches.add(batch)
        if other := _contradicting(cells, columns, ms, batch):
            own = f"{columns.unit} {cells[columns.value]:.40}"
            contradicted.append(f"row {number} has {own} and {other}")
    if not runs:
        raise NasError(f"{where}: no row has a latency")
    if len(batches) > 1:
        shown = ", ".join(map(str, sorted(batches)))
        raise NasError(f"{where}: batch must be the same in all rows, not {shown}")
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
    for network in networks.values():
        if isinstance(network, ImportedNetwork) and network.unread:
            notes.append(f"{network.name}: {network.left_out}")
    throughput = _of_batches(columns.unit) or max(batches) > 1
    if throughput:
        notes.append("times per image at full throughput: no latency of a single image")
    measured = [(networks[key], median(times)) for key, times in runs.items()]
    if not throughput:
        check_plausible(where, measured, columns.unit, columns.unit_ms)
    return Latencies(measured, throughput, notes)


def _columns(header: Sequence[str], decimal_comma: bool) -> tuple[_Columns, list[str]]:
    keys = ["_".join(_words(name)) for name in header]
    units = {i: ms for i, name in enumerate(header) if (ms := _unit_ms(name)) is not None}
    network, resolution, batch = (_column(keys, n) for n in (NAMES, RESOLUTIONS, BATCHES))
    named = ", ".join(name for name in header if name)
    if network is None:
        raise NasError(f"no column for the networks: name it 'network'; there are {named:.80}")
    if not units:
        raise NasError(
            "no column for the latencies: name it latency_ms, latency_us, latency_s, fps or "
            f"images_s; there are {named:.80}"
        )
    value = max(units, key=lambda i: units[i] > 0)  # a latency rather than a rate
    batches = _of_batches(header[value])
    others = tuple(
        (i, header[i], ms)
        for i, ms in units.items()
        if i != value and _of_batches(header[i]) == batches
    )
    used = [i for i in (network, value, resolution, batch) if i is not None]
    for i in used:
        if header.count(header[i]) > 1:
            raise NasError(f"column {header[i]!r} must be there once")
    ignored = [name for i, name in enumerate(header) if name and i not in used]
    where = (network, value, resolution, batch)
    return (
        _Columns(*where, others, header[value], units[value], decimal_comma),
        [f"ignored columns: {', '.join(ignored)}"] if ignored else [],
    )


def _words(name: str) -> list[str]:
    """What a column's name says, as words in lower case."""
    return [word for word in re.findall(r"[^\W_]+", name.lower()) if word not in FILLERS]


def _column(keys: Sequence[str], names: Sequence[str]) -> int | None:
    """The column that has the first of these names, if one has any."""
    return next((keys.index(name) for name in names if name in keys), None)


def _unit_ms(name: str) -> float | None:
    """The ms of one of the unit in a column's name, negative for a rate; None for another."""
    unit = "_".join(_words(name))
    if RATE.fullmatch(unit) or name.lower() == "throughput":
        return -1e3
    return UNITS.get(unit)


def _of_batches(name: str) -> bool:
    """Whether a column has rates of batches: frames a second are of one after the other."""
    if (_unit_ms(name) or 0) > 0:
        return False
    return "throughput" in name.lower() or not ("fps" in name.lower() or "frame" in name.lower())


def _number(text: str, columns: _Columns) -> float:
    """A cell's number above 0; 0.0 where it is none."""
    with suppress(ValueError):
        value = float(text.replace(",", ".") if columns.decimal_comma else text)
        if "_" in text:  # which Python reads
            return 0.0
        return value if isfinite(value) and value > 0 else 0.0
    return 0.0


def _row(
    cells: Sequence[str], columns: _Columns, folder: Path, elsewhere: Finder | None
) -> tuple[Network, float, int]:
    text = cells[columns.value]
    value = _number(text, columns)
    if not value:
        raise NasError(f"{columns.unit} must be a number above 0, not {text!r:.40}")
    resolution, own = _sides(_cell(cells, columns.resolution))
    written = _cell(cells, columns.batch) or own
    batch = whole_number(written) or 0
    if not 1 <= batch <= 1 << 16:
        raise NasError(f"batch must be a whole number of at least 1, not {written!r:.40}")
    if own not in ("1", written):
        raise NasError(f"the input's size has a batch of {own:.40}, the batch is {written}")
    ms = image_ms(value, columns.unit_ms, batch)
    check_latency(ms)
    return _network(cells[columns.network], resolution, folder, elsewhere), ms, batch


def _contradicting(cells: Sequence[str], columns: _Columns, ms: float, batch: int) -> str:
    """The first other column that says something else than `ms`, and its cell; "" if none does. A
    rate is comparable with a latency one image at a time."""
    for i, name, unit_ms in columns.others:
        value = _number(cells[i], columns)
        if value and (batch == 1 or unit_ms * columns.unit_ms > 0):
            other = image_ms(value, unit_ms, batch)
            if abs(ms - other) > CONTRADICTION * other:
                return f"{name} {cells[i]:.40}"
    return ""


def _cell(cells: Sequence[str], column: int | None) -> str:
    """A cell of whole numbers, "" where there is none. A spreadsheet may write them as 224.0."""
    return "" if column is None else re.sub("[.,]0$", "", cells[column])


def _sides(text: str) -> tuple[str, str]:
    """Height and width of a size, and its batch: "1" unless it has batch and channels, as
    8x3x224x224 and 8x224x224x3 have."""
    sizes = [size.strip() for size in text.lower().replace("×", "x").split("x")]
    batch = sizes.pop(0) if len(sizes) == 4 else "1"
    if len(sizes) == 3:  # the channels are last where only that can be
        sizes.pop(-1 if sizes[-1] in CHANNELS and sizes[0] not in CHANNELS else 0)
    return "x".join(sizes), batch


def _network(name: str, resolution: str, folder: Path, elsewhere: Finder | None) -> Network:
    size = read_resolution(resolution) if resolution else None
    try:
        return find_network(name, size, folders=(folder, Path()))
    except NasError:
        if elsewhere is None or size is not None or (folder / name).is_file():
            raise
        return elsewhere(name)
