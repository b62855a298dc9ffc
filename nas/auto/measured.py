"""The latency of the result where it is measured: on this machine, or on one that ssh reaches."""

from __future__ import annotations

from typing import NamedTuple

from nas.auto.result import Result
from nas.latency import Target
from nas.latency.measuring.plan import ANCHORS
from nas.latency.measuring.remote import Remote
from nas.latency.measuring.verify import Comparison, verify, verify_over_ssh
from nas.references import reference
from nas.support.errors import NasError

MINUTES = 1.0  # of timing one network, at most


class Measured(NamedTuple):
    """A latency beside its prediction; `where` and `how` it was measured and on which `device`, in
    words, and `notes` on what makes it no measure of the target."""

    comparison: Comparison
    where: str
    how: str
    device: str
    notes: tuple[str, ...] = ()

    @property
    def noise(self) -> str:
        """How far apart the two halves of its visits are: by chance that may be nothing."""
        return f"±{max(self.comparison.spread, 0.001):.1%}"


def check_remote(target: Target, remote: Remote) -> str:
    """Times a small network on a machine, as `measured_winner` will, and returns what the machine
    is. Errors: `NasError` where that cannot be done."""
    name, pixels = next(iter(ANCHORS.items()))
    small = reference(name, resolution=pixels)
    _, facts = verify_over_ssh([small], target, remote, minutes=MINUTES, visits=1)
    return f"{facts.device}, {facts.runtime}"


def measured_winner(result: Result, remote: Remote | None) -> tuple[Measured | None, str]:
    """The latency of the result, on this machine unless there is a `remote` one, or else why there
    is none."""
    networks, target, notes = [result.trained.arch], result.target, list[str]()
    try:
        if remote is None:
            (found,), notes, _ = verify(networks, target, minutes=MINUTES)
            m = target.metadata
            where = "on this machine"
            how = f"through {m.runtime.split()[0]}, {m.precision}, {m.threads or 1} thread(s)"
            device = "the machine that made this card"
        else:
            (found,), facts = verify_over_ssh(networks, target, remote, minutes=MINUTES)
            where, device = f"on {remote.host}", facts.device
            how = f"through {facts.runtime}, {facts.precision}, {facts.threads} thread(s)"
    except NasError as error:
        return None, str(error)
    if found is None:
        return None, "there was no time"
    return Measured(found, where, how, device, tuple(notes)), ""
