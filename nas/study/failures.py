"""`Failures`: how many evaluations failed, and why most of them did."""

from __future__ import annotations

from collections import Counter

from nas.support.errors import one_line
from nas.support.text import printable

MOST_REASONS = 100  # that are told apart; one may name its network, and there may be many
LONGEST = 300  # characters of a reason


class Failures:
    """The failures that were added; what is kept of them does not grow with their number."""

    def __init__(self) -> None:
        self.count = 0
        self._reasons = Counter[str]()

    def add(self, reason: object) -> None:
        """Takes a failure as it is stored, which in a stranger's study may be anything."""
        self.count += 1
        text = printable(one_line(reason or ""))[:LONGEST]
        if text in self._reasons or (text and len(self._reasons) < MOST_REASONS):
            self._reasons[text] += 1

    def told(self, what: str) -> str:
        """How many of `what`, a plural, failed and the commonest reason; "" where none did."""
        if not self.count:
            return ""
        told = f"{self.count} {what if self.count > 1 else what.removesuffix('s')} failed"
        if not self._reasons:
            return told
        reason, times = self._reasons.most_common(1)[0]
        return f"{told}{'' if times == self.count else f', {times} of them'}: {reason}"
