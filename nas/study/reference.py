"""`ReferenceSample`: the random networks that a study begins with, as they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from nas.study.storage.log import Log
from nas.study.stored import DAMAGE
from nas.support.errors import NasError

SCORES, ASSIGNMENTS, DRAWN = "nas:reference", "nas:reference_networks", "nas:drawn"


class Drawn(NamedTuple):
    """A scored network of the sample: its hash, and its scores or why it has none."""

    hash: str
    scores: dict[str, float] | None = None
    reason: str = ""

    @property
    def evaluated(self) -> Future[dict[str, float]]:
        """The network's evaluation, which is done."""
        future: Future[dict[str, float]] = Future()
        if self.scores is None:
            future.set_exception(NasError(self.reason))
        else:
            future.set_result(self.scores)
        return future


class ReferenceSample:
    """The sample of a study: each network as soon as it is scored, and the whole when it is."""

    def __init__(self, log: Log, name: str) -> None:
        self._log, self._name = log, name

    def drawn(self) -> dict[int, Drawn]:
        """The networks that were scored so far, by number."""
        attributes = self._log.attributes()
        try:
            return {
                int(key.removeprefix(f"{DRAWN}.")): Drawn(**stored)
                for key, stored in attributes.items()
                if key.startswith(f"{DRAWN}.")
            }
        except DAMAGE as error:
            raise self.damaged(error) from None

    def add(self, number: int, key: str, outcome: dict[str, float] | str) -> None:
        """Stores the scores of the network of that number and hash, or why it has none."""
        result = {"reason": outcome} if isinstance(outcome, str) else {"scores": outcome}
        self._log.set_attribute(f"{DRAWN}.{number}", {"hash": key, **result})

    @property
    def scores(self) -> list[dict[str, float]]:
        """The proxies' scores of the whole sample; none before they are stored."""
        stored = self._log.attributes().get(SCORES, [])
        try:
            return [{name: float(v) for name, v in scores.items()} for scores in stored]
        except DAMAGE as error:
            raise self.damaged(error) from None

    @property
    def assignments(self) -> list[dict[str, Any]]:
        """The assignments of the whole sample; none where an older hw-nas stored none."""
        assignments: list[dict[str, Any]] = self._log.attributes().get(ASSIGNMENTS, [])
        return assignments

    def store(
        self, assignments: Sequence[dict[str, Any]], scores: Sequence[dict[str, float]] | None
    ) -> None:
        """Stores the whole sample; without scores where candidates are not scored by proxies."""
        self._log.set_attribute(ASSIGNMENTS, list(assignments))
        if scores is not None:
            self._log.set_attribute(SCORES, list(scores))

    def damaged(self, error: Exception) -> NasError:
        """The error of a sample that is not as it was stored."""
        return NasError(f"study '{self._name}': its reference sample is damaged: {error!r}")
