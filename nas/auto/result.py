"""What `auto` comes to: the networks that were compared, and the first of them trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.auto.asked import Asked
from nas.latency import Target
from nas.study import Record, Study
from nas.study.finalists import Finalist
from nas.training import Trained

WORK = "work"


@dataclass(frozen=True)
class Compared:
    """A network that was trained as briefly as the others, and its validation accuracy, 0 to 1,
    then and as `expected` after the winner's training; `by_hand` names a published one that was
    scaled to the budgets; `pruned` ones are children of a trained network."""

    record: Record
    accuracy: float
    expected: float
    by_hand: str | None
    folder: Path
    pruned: bool = False


@dataclass(frozen=True)
class Result:
    """What was found: the networks that were compared, the best first, and the first of them
    trained to the end in `folder`. Finalists that fell behind were `stopped`. After brief trainings
    of too few steps what is expected in the end is not `foreseen`. `cut` says what there was no
    time for; `parent_data` is the checksum of what the network that was pruned, if any, was trained
    on."""

    study: Study
    target: Target
    compared: tuple[Compared, ...]
    stopped: tuple[Finalist, ...]
    failed: tuple[tuple[Record, str], ...]
    trained: Trained
    folder: Path
    work: Path
    cut: tuple[str, ...]
    seconds: float
    asked: Asked
    foreseen: bool
    parent_data: str | None = None

    @property
    def winner(self) -> Compared:
        return self.compared[0]

    @property
    def further(self) -> bool:
        """Whether the winner was trained further than for the comparison."""
        return self.folder != self.winner.folder


def ranked(compared: Sequence[Compared]) -> tuple[Compared, ...]:
    """The best first: after the winner's training, for what learns slowly is worth more then."""
    return tuple(sorted(compared, key=lambda each: (-each.expected, each.record.latency_ms)))
