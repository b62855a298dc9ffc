"""The measures of a network: their names, units, text, and which of them a search can lower.

A new measure is an entry here, and a value of that name on `Cost` or on a candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Measure = Literal[
    "latency_ms", "macs", "params", "peak_bytes", "weight_bytes", "sram_bytes", "flash_bytes"
]

_COUNT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_BYTES = {"b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TIME_MS = {"us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
_PREFIXES = (("G", 1e9), ("M", 1e6), ("k", 1e3))


class Facts(NamedTuple):
    """What is known of a measure.

    title: what it is called, with what is counted.
    symbol: the unit that a value is shown with.
    scales: what may stand before an ending in a budget, in lower case, and how much it is.
    endings: how a budget in this measure ends, in lower case; "" where nothing need follow.
    prefixed: whether a value is shown with k, M or G.
    objective: the name under which a search lowers it; None where it cannot.
    by_maximum: whether a network's value is the largest of its rows', not their sum.
    """

    title: str
    symbol: str
    scales: Mapping[str, float]
    endings: tuple[str, ...] = ("",)
    prefixed: bool = True
    objective: str | None = None
    by_maximum: bool = False

    @property
    def whole(self) -> str:
        """What it is called, with the unit of a stored value where that is not what is counted."""
        if self.prefixed and not self.symbol.startswith("B"):
            return self.title
        return f"{self.title} ({'bytes' if self.prefixed else self.symbol})"


MEASURES: dict[Measure, Facts] = {
    "latency_ms": Facts("latency", "ms", _TIME_MS, prefixed=False, objective="latency"),
    "macs": Facts("multiply-adds", "MACs", _COUNT, ("flops", "macs", ""), objective="macs"),
    "params": Facts("parameters", "params", _COUNT, ("params",), objective="params"),
    "peak_bytes": Facts("peak activations", "B", _BYTES, objective="memory", by_maximum=True),
    "weight_bytes": Facts("weights", "B weights", _BYTES, ("weights",)),
    "sram_bytes": Facts("SRAM", "B SRAM", _BYTES, ("sram",), objective="sram", by_maximum=True),
    "flash_bytes": Facts("flash", "B flash", _BYTES, ("flash",), objective="flash"),
}
OF_TARGET: tuple[Measure, ...] = ("sram_bytes", "flash_bytes")  # known on some targets alone
OBJECTIVES: dict[str, Measure] = {
    facts.objective: measure for measure, facts in MEASURES.items() if facts.objective
}


def parse_unit(unit: str) -> tuple[Measure, float] | None:
    """The measure that a unit such as `MFLOPs` or `ms` is of, and how much one is; None where no
    measure has it. The case of letters does not matter."""
    unit = unit.lower()
    for measure, facts in MEASURES.items():
        for ending in facts.endings:
            scale = facts.scales.get(unit.removesuffix(ending)) if unit.endswith(ending) else None
            if scale is not None:
                return measure, scale
    return None


def axis(measure: Measure) -> tuple[str, float]:
    """What stands at an axis of a measure, and what one unit of it is: `("latency (ms)", 1.0)`."""
    facts = MEASURES[measure]
    if not facts.prefixed:
        return f"{facts.title} ({facts.symbol})", 1.0
    return f"{facts.title} ({'MB' if facts.symbol.startswith('B') else 'M'})", 1e6


def format_measure(measure: Measure, value: float) -> str:
    """A value with its unit, as a person reads it: `300.8 MMACs`, `8.12 ms`, `2.00 MB`."""
    facts = MEASURES[measure]
    if not facts.prefixed:
        return f"{value:.3g} {facts.symbol}"
    for prefix, scale in _PREFIXES:
        if value >= scale:
            return f"{value / scale:.4g} {prefix}{facts.symbol}"
    return f"{value:.4g} {facts.symbol}"
