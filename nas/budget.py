"""Budgets: "300MFLOPs", "8ms", "4Mparams", "2MB", "5MBweights"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from nas.measures import Measure, parse_unit
from nas.support.errors import NasError, check_type, shown
from nas.support.text import texts_of

_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Zµμ]*)\s*")
EXAMPLES = "300MFLOPs, 8ms, 4Mparams, 2MB (peak activation memory), 5MBweights, 256KBsram"


class Budget(NamedTuple):
    """An upper limit on one measure; `text` is what the user wrote."""

    measure: Measure
    limit: float
    text: str


def parse_budget(text: str) -> Budget:
    """One budget of a text; the case of letters does not matter.

    FLOPs are multiply-adds, as in the mobile-vision literature, and a bare `300M` means them.
    `2MB` is peak activation memory, `5MBweights` the weights; `256KBsram` and `1MBflash` are of an
    NPU's target. Errors: `NasError`.
    """
    check_type(text, "a budget", f"text such as {EXAMPLES}", str)
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NasError(f"budget {shown(text)}: a number and a unit are needed, such as {EXAMPLES}")
    unit = parse_unit(match[2]) if match[2] else None
    if unit is None:
        wrong = f"unknown unit '{match[2]}'" if match[2] else "a unit is needed"
        raise NasError(f"budget {shown(text)}: {wrong}; write it as {EXAMPLES}")
    measure, scale = unit
    limit = float(match[1]) * scale
    if not 0 < limit < float("inf"):
        raise NasError(f"budget {shown(text)}: must be above 0")
    return Budget(measure, limit, text.strip())


def parse_budgets(texts: Iterable[str]) -> tuple[Budget, ...]:
    """Several budgets, or the one that a text is, at most one a measure. Errors: `NasError`."""
    check_type(texts, "budgets", f"texts such as {EXAMPLES}", Iterable)
    budgets: dict[str, Budget] = {}
    for text in texts_of(texts):
        budget = parse_budget(text)
        if budget.measure in budgets:
            first = budgets[budget.measure].text
            raise NasError(f"budgets {first!r} and {budget.text!r} limit the same thing; give one")
        budgets[budget.measure] = budget
    return tuple(budgets.values())
