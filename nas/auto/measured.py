"""The latency of the result where it is measured: on this machine, or on one that ssh reaches."""

from __future__ import annotations

from typing import NamedTuple

from nas.auto.result import Result
from nas.latency import Target
from nas.latency.measuring.remote import Remote
from nas.latency.measuring.verify import Comparison, verify
from nas.support.errors import NasError

MINUTES = 1.0  # of timing one network, at most


class Measured(NamedTuple):
    """A latency beside its prediction; `where` and `how` it was measured and on which `device`, in
    words, `notes` on what makes it no measure of the target, and how much longer reference networks
    take there than is predicted, in `drift`."""

    comparison: Comparison
    where: str
    how: str
    device: str
    notes: tuple[str, ...] = ()
    drift: float = 0.0

    @property
    def noise(self) -> str:
        """How far apart the two halves of its visits are: by chance that may be nothing."""
        return f"±{max(self.comparison.spread, 0.001):.1%}"


def check_remote(target: Target, remote: Remote) -> str:
    """Times reference networks on a machine, as `measured_winner` will, and returns what it is.
    Errors: `NasError` where that cannot be done."""
    found = verify([], target, remote=remote, minutes=MINUTES, visits=1)
    return f"{found.device}, {found.how}"


def measured_winner(result: Result, remote: Remote | None) -> tuple[Measured | None, str]:
    """The latency of the result, on this machine unless there is a `remote` one, or else why there
    is none."""
    try:
        found = verify([result.trained.arch], result.target, remote=remote, minutes=MINUTES)
    except NasError as error:
        return None, str(error)
    (one,) = found.comparisons
    if one is None:
        return None, "there was no time"
    where = "on this machine" if remote is None else f"on {remote.host}"
    device = "the machine that made this card" if remote is None else found.device
    return Measured(one, where, found.how, device, tuple(found.notes), found.drift), ""
