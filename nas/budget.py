"""Budgets: "300MFLOPs", "8ms", "4Mparams", "2MB", "5MBweights"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from nas.support.errors import NasError, shown

Measure = Literal["macs", "params", "peak_bytes", "weight_bytes", "latency_ms"]

_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Zµ]*)\s*")
_SCALE = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
_BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_TIME_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
EXAMPLES = "300MFLOPs, 8ms, 4Mparams, 2MB (peak activation memory), 5MBweights"


class Budget(NamedTuple):
    """An upper limit on one measure; `text` is what the user wrote."""

    measure: Measure
    limit: float
    text: str


def parse_budget(text: str) -> Budget:
    """Reads one budget; the case of letters does not matter.

    FLOPs are multiply-adds, as in the mobile-vision literature, and a bare `300M` means them.
    `2MB` is peak activation memory, `5MBweights` the weights. Errors: `NasError`.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NasError(f"budget {shown(text)}: a number and a unit are needed, such as {EXAMPLES}")
    number, unit = float(match[1]), match[2].lower()
    measure, scale = _unit(unit)
    if scale is None or measure is None:
        raise NasError(f"budget {shown(text)}: unknown unit '{match[2]}'; write it as {EXAMPLES}")
    if not 0 < number * scale < float("inf"):
        raise NasError(f"budget {shown(text)}: must be above 0")
    return Budget(measure, number * scale, text.strip())


def _unit(unit: str) -> tuple[Measure | None, float | None]:
    if unit in _TIME_MS:
        return "latency_ms", _TIME_MS[unit]
    if unit in _BYTES:
        return "peak_bytes", _BYTES[unit]
    for suffix, measure, scales in (
        ("weights", "weight_bytes", _BYTES),
        ("params", "params", _SCALE),
        ("flops", "macs", _SCALE),
        ("macs", "macs", _SCALE),
    ):
        if unit.endswith(suffix):
            return measure, scales.get(unit.removesuffix(suffix))  # type: ignore[return-value]
    return "macs", _SCALE.get(unit) if unit else None


def parse_budgets(texts: Iterable[str]) -> tuple[Budget, ...]:
    """Reads several budgets, at most one a measure. Errors: `NasError`."""
    budgets: dict[str, Budget] = {}
    for text in texts:
        budget = parse_budget(text)
        if budget.measure in budgets:
            first = budgets[budget.measure].text
            raise NasError(f"budgets {first!r} and {budget.text!r} limit the same thing; give one")
        budgets[budget.measure] = budget
    return tuple(budgets.values())


def format_measure(measure: Measure, value: float) -> str:
    """A value with its unit, as a person reads it: `300.8 MMACs`, `8.12 ms`, `2.00 MB`."""
    if measure == "latency_ms":
        return f"{value:.3g} ms"
    name = {"macs": "MACs", "params": " params", "peak_bytes": "B", "weight_bytes": "B weights"}
    for prefix, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= scale:
            return f"{value / scale:.4g} {prefix}{name[measure].lstrip()}"
    return f"{value:.4g} {name[measure].lstrip()}"
