"""What the columns of a CSV of latencies are called, as people write them, and what cells say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import isfinite
from typing import NamedTuple

from nas.support.errors import NasError
from nas.support.text import whole_number

UNITS = {  # ms of one
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-3),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-6),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1e3),
}
QUERIES = ("qps", "quer")  # how the names of rates begin that may be of whole batches
RATE = re.compile(
    r"(?:fps|qps|(?:(?:frame|image|img|sample|inference)s?|query|queries)_(?:per_)?(?:s|sec|second)"
    r"|per_(?:s|sec|second))"  # what happens so often is among the fillers
)
# Words of a column's name that say neither a unit nor that the column is of something else.
FILLERS = {
    *("mean", "avg", "average", "median", "p50", "inference", "infer", "latency", "time"),
    *("throughput", "cost", "elapsed", "duration", "exec", "execution", "measured"),
}
NAMES = ("network", "model", "name", "model_name", "architecture", "arch", "file", "path")
RESOLUTIONS = (
    *("resolution", "input_resolution", "input_size", "image_size", "img_size", "imgsz", "img_sz"),
    *("input_shape", "image_shape", "input_dims", "image_resolution", "px", "pixels", "res"),
)
SIDES = [(f"{of}height", f"{of}width") for of in ("", "input_", "image_", "img_")] + [("h", "w")]
# Names that others give to other things: they are of a size where every cell looks like one.
PERHAPS_RESOLUTIONS = ("input", "shape", "size", "dims", "side", "hw", "crop", "image")
SIZE_WORDS = {
    *("resolution", "res", "size", "sz", "shape", "input", "image", "img", "px", "pixels"),
    *("side", "crop"),
}
OUTPUTS = {"output", "out", "outputs", "kernel", "feature", "model", "file", "memory"}
UNUSUAL_SIDES = (227, 299, 300, 331, 380, 600)  # of images; others are multiples of 8
BATCHES = ("batch", "batch_size", "batchsize", "bs", "minibatch", "mini_batch", "mini_batch_size")
PERHAPS_BATCHES = {"batch", "batches", "batchsize", "bs", "n"}
CHANNELS = ("1", "3")  # of images
ANY_BATCH = ("n", "b", "bs", "batch", "none", "-1", "?")  # as exporters write one that is open
MISSING = ("", "-", "nan", "na", "n/a", "none", "null")
THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")


class Columns(NamedTuple):
    """Where in a row everything stands; of the values the column's name and the ms of one of its
    unit, negative for a rate; of the `others` that say the same, where, name and ms of one. The
    input's size is in one column, or height and width are in two."""

    network: int
    value: int
    size: tuple[int, ...]
    batch: int | None
    others: tuple[tuple[int, str, float], ...]
    unit: str
    unit_ms: float
    decimal_comma: bool

    def ignored(self, header: Sequence[str]) -> dict[int, str]:
        """The columns that have a name and are not used, with it."""
        used = {self.network, self.value, self.batch, *self.size}
        return {i: name for i, name in enumerate(header) if name and i not in used}


def find_columns(
    header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], separator: str
) -> Columns:
    """The columns of a table of numbered rows. Errors: `NasError` for what is missing, and for what
    would change the latencies, but is not understood."""
    keys = ["_".join(_words(name)) for name in header]
    units = {i: ms for i, name in enumerate(header) if (ms := _unit_ms(name)) is not None}
    network, batch = _column(keys, NAMES), _column(keys, BATCHES)
    named = ", ".join(name for name in header if name)
    if network is None:
        raise NasError(f"no column for the networks: name it 'network'; there are {named:.80}")
    if not units:
        raise NasError(
            "no column for the latencies: name it latency_ms, latency_us, latency_s, fps or "
            f"images_s; there are {named:.80}"
        )
    value = max(units, key=lambda i: units[i] > 0)  # a latency rather than a rate
    batches = of_batches(header[value])
    others = tuple(
        (i, header[i], ms)
        for i, ms in units.items()
        if i != value and of_batches(header[i]) == batches
    )
    size = _size(keys, rows)
    for i in (network, value, *size, batch):
        if i is not None and header.count(header[i]) > 1:
            raise NasError(f"column {header[i]!r} must be there once")
    comma = separator != ","
    found = Columns(network, value, size, batch, others, header[value], units[value], comma)
    for i, name in found.ignored(header).items():
        cells = _filled(rows, i)
        if not size and _unread_size(keys[i], cells):
            raise NasError(
                f"column {name!r} seems to have input sizes ({cells[0]:.40}): name it resolution"
            )
        # The number of runs may be called n, too.
        if batch is None and PERHAPS_BATCHES & {*keys[i].split("_")} and {*cells} - {"1"}:
            raise NasError(
                f"column {name!r} ({cells[0]:.40}) may be the batch: name it batch, or leave it out"
            )
    if comma:
        _check_commas(header[value], [(row, cells[value]) for row, cells in rows], separator)
    return found


def _size(keys: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]) -> tuple[int, ...]:
    """The columns of the input's size."""
    if (resolution := _column(keys, RESOLUTIONS)) is not None:
        return (resolution,)
    for height, width in SIDES:
        if height in keys and width in keys:
            return keys.index(height), keys.index(width)
    perhaps = (i for i, key in enumerate(keys) if key in PERHAPS_RESOLUTIONS)
    return next(((i,) for i in perhaps if _all_sizes(_filled(rows, i))), ())


def _filled(rows: Sequence[tuple[int, Sequence[str]]], column: int) -> list[str]:
    return [cells[column] for _, cells in rows if cells[column].lower() not in MISSING]


def _unread_size(key: str, cells: Sequence[str]) -> bool:
    """Whether a column has sizes of inputs: single numbers are sizes only by the column's name."""
    words = {*key.split("_")}
    if words & OUTPUTS or not _all_sizes(cells):
        return False
    return bool(words & SIZE_WORDS) or all("x" in size_of(cell)[0] for cell in cells)


def _all_sizes(cells: Sequence[str]) -> bool:
    return bool(cells) and all(_usual_size(size_of(cell)[0]) for cell in cells)


def _usual_size(size: str) -> bool:
    sides = [whole_number(side) or 0 for side in size.split("x")]
    usual = (s in UNUSUAL_SIDES or (s % 8 == 0 and 32 <= s <= 4096) for s in sides)
    return len(sides) <= 2 and all(usual)


def _check_commas(name: str, cells: Sequence[tuple[int, str]], separator: str) -> None:
    """Checks that commas in numbers are decimal ones: some cell proves that, or all have one and
    cells are separated by semicolons, as where commas are decimal."""
    commas = [(row, cell) for row, cell in cells if "," in cell]
    if not commas or not all(THOUSANDS.fullmatch(cell) for _, cell in commas):
        return
    others = [cell for _, cell in cells if "," not in cell and cell.lower() not in MISSING]
    if others or separator == "\t":
        row, cell = commas[0]
        whole, decimal = cell.replace(",", ""), float(cell.replace(",", "."))
        beside = f" beside {others[0]:.40}" if others else ""
        raise NasError(
            f"row {row}: {name} {cell}{beside} is ambiguous: write {whole} or {decimal:g}"
        )


def _words(name: str) -> list[str]:
    """What a column's name says, as words in lower case."""
    said = re.sub(r"(?<=\w)\s*/\s*(?=s)", " per ", name.lower())
    return [word for word in re.findall(r"[^\W_]+", said) if word not in FILLERS]


def _column(keys: Sequence[str], names: Sequence[str]) -> int | None:
    """The column that has the first of these names, if one has any."""
    return next((keys.index(name) for name in names if name in keys), None)


def _unit_ms(name: str) -> float | None:
    """The ms of one of the unit in a column's name, negative for a rate; None for another."""
    unit = "_".join(_words(name))
    if RATE.fullmatch(unit) or name.lower() == "throughput":
        return -1e3
    return UNITS.get(unit)


def of_batches(name: str) -> bool:
    """Whether a column has rates of batches: frames a second are of one after the other."""
    if (_unit_ms(name) or 0) > 0:
        return False
    return "throughput" in name.lower() or not ("fps" in name.lower() or "frame" in name.lower())


def of_queries(name: str) -> bool:
    """Whether a column has rates of queries, which may be of an image or of a whole batch."""
    return any(word.startswith(QUERIES) for word in _words(name))


def number_of(text: str, decimal_comma: bool) -> float:
    """A cell's number above 0; 0.0 where it is none."""
    with suppress(ValueError):
        value = float(text.replace(",", ".") if decimal_comma else text)
        if "_" in text:  # which Python reads
            return 0.0
        return value if isfinite(value) and value > 0 else 0.0
    return 0.0


def whole_text(cells: Sequence[str], columns: Sequence[int]) -> str:
    """What cells of whole numbers say, "" where nothing. A spreadsheet may write 224 as 224.0."""
    return "x".join(re.sub("[.,]0$", "", cells[i]) for i in columns if cells[i])


def size_of(text: str) -> tuple[str, str]:
    """Height and width of a size, and its batch: "1" unless it has batch and channels, as
    8x3x224x224 and [8, 224, 224, 3] have.

    >>> size_of("[1, 3, 96, 160]"), size_of("input:8x224x224x3"), size_of("224px")
    (('96x160', '1'), ('224x224', '8'), ('224', '1'))
    """
    bare = re.sub(r"^[a-z]\w*\s*(?:[:=]|(?=[\[({]))|\s*(?:px|pixels)$", "", text.lower())
    sizes = list(_parts(bare.strip("[](){} ")))
    batch = sizes.pop(0) if len(sizes) == 4 else "1"
    if len(sizes) == 3:  # the channels are last where only that can be
        sizes.pop(-1 if sizes[-1] in CHANNELS and sizes[0] not in CHANNELS else 0)
    return "x".join(sizes), "1" if batch in ANY_BATCH else batch


def _parts(text: str) -> Iterator[str]:
    return (part for part in re.split(r"\s*[x×*,;]\s*|\s+", text))
