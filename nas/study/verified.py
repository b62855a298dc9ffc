"""What `nas verify` has timed of a study's networks, as the study keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from nas.latency.measuring.verify import Comparison
from nas.study.stored import DAMAGE
from nas.study.study import Study
from nas.support.errors import NasError

VERIFIED = "nas:verified"


class Verified(NamedTuple):
    """A network's latency in ms as it was predicted for a target, with the interval, and as it was
    measured; and how much longer reference networks took beside it than predicted."""

    trial: int
    target: str
    predicted_ms: float
    low_ms: float
    high_ms: float
    measured_ms: float
    drift: float = 0.0  # as rows of before have none


def store_verified(
    study: Study, target: str, done: Iterable[tuple[int, Comparison]], drift: float
) -> None:
    """Keeps comparisons by trial, and the `drift` beside them; those of the same trial and target
    take the place of older ones."""
    known = {(each.trial, each.target): each for each in read_verified(study)}
    for trial, one in done:
        known[trial, target] = Verified(trial, target, *one.predicted, one.measured_ms, drift)
    rows = [list(each) for each in known.values()]
    study.store(lambda: study.log.set_attribute(VERIFIED, rows))


def read_verified(study: Study) -> list[Verified]:
    """The comparisons so far. Errors: `NasError` where they are damaged."""
    stored = study.log.attributes().get(VERIFIED, [])
    try:
        return [Verified(int(n), str(t), *map(float, ms)) for n, t, *ms in stored]
    except DAMAGE as error:
        raise NasError(f"study '{study.name}': what was verified is damaged: {error!r}") from None
