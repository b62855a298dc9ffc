"""Rules for how much each width keeps, which a search can begin with or do without.

uniform: the same share of every width. global: the channels of the whole network that are least
important by the criterion, whatever layer they are of (Han et al. 2015). sensitivity: as much of
each layer as costs the same loss of inherited accuracy when that layer alone is pruned (Li et al.
2017). Each gives a child of the parent's resolution and depth that just fits the budgets. depth:
blocks are left out, that which costs the least inherited accuracy first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nas.architecture import Architecture
from nas.pruning.children import Ancestry
from nas.study.candidates import Candidate
from nas.study.pruning import STEPS, PruningCandidates, widest

LEVELS = 4  # widths of a layer at which its sensitivity is measured, beside the parent's


def by_importance(candidates: PruningCandidates, parent: Ancestry) -> Candidate | None:
    """The child that keeps the most important channels of the whole network; None where its
    least widths do not fit."""
    importance = _importance(candidates, parent)
    everything = np.sort(np.concatenate([np.zeros(1), *importance.values()]))
    space = candidates.pruning

    def keep(share: float) -> Candidate:
        place = round((1 - share) * (len(everything) - 1))
        chosen = dict(space.whole)
        for name, values in importance.items():
            wanted = space.widths[name].largest * float((values >= everything[place]).mean())
            chosen[name] = _nearest(space.options[name], wanted)
        return candidates.make(chosen)

    return widest(keep, candidates.excess, 2 * STEPS)


def _importance(candidates: PruningCandidates, parent: Ancestry) -> dict[str, NDArray[np.float64]]:
    """The importance of every channel that a width counts, by the width's name."""
    coupled, values = parent.whole_network()
    return {
        name: np.concatenate(
            [values[coupled.of(node)] for member in width.members for node in member.nodes]
        )
        for name, width in candidates.pruning.widths.items()
    }


def by_sensitivity(
    candidates: PruningCandidates, accuracy: Callable[[Sequence[Architecture]], list[float]]
) -> Candidate | None:
    """The child whose widths each lose the same `accuracy`, pruned alone; None where its least
    widths do not fit. `accuracy` gives the inherited accuracy of each of some networks."""
    space = candidates.pruning
    levels = {name: _levels(space.options[name]) for name in space.widths}
    tried = [{**space.whole, name: value} for name, some in levels.items() for value in some]
    whole, *found = accuracy([space.decode(params) for params in (space.whole, *tried)])
    losses: dict[str, NDArray[np.float64]] = {}
    for name, some in levels.items():
        lost, found = np.array([whole - a for a in found[: len(some)]]), found[len(some) :]
        # A narrower layer is taken to lose no less: what it gains is chance.
        losses[name] = np.maximum.accumulate(np.maximum(lost[::-1], 0))[::-1]
    most = max((float(lost[0]) for lost in losses.values()), default=0.0)

    def keep(share: float) -> Candidate:
        chosen = dict(space.whole)
        for name, some in levels.items():
            bounds = [*some, space.widths[name].largest]
            lost = np.append(losses[name], 0.0)
            # From the parent's width down, at which its loss is that which is allowed.
            wanted = np.interp(_allowed(share, most), lost[::-1] + _rising(lost), bounds[::-1])
            chosen[name] = _nearest(space.options[name], float(wanted))
        return candidates.make(chosen)

    return widest(keep, candidates.excess, 2 * STEPS)


def by_depth(
    candidates: PruningCandidates, accuracy: Callable[[Sequence[Architecture]], list[float]]
) -> list[Candidate]:
    """The children without one block, without two and so on, those first whose absence alone costs
    the least `accuracy`; each keeps the same share of every width and just fits. `accuracy` gives
    the inherited accuracy of each of some networks."""
    space = candidates.pruning
    names = list(space.skips)
    found = accuracy([space.decode({**space.whole, name: True}) for name in names])
    order = [name for _, name in sorted(zip(found, names, strict=True), reverse=True)]
    tried = ({**space.whole, **dict.fromkeys(order[: i + 1], True)} for i in range(len(order)))
    return [child for params in tried if (child := candidates.fitted(params))]


def _allowed(share: float, most: float) -> float:
    """The loss that is allowed where the child is to be large (1) or small (0)."""
    return most * (1 - share) + 1e-6 * (1 - 2 * share)


def _rising(lost: NDArray[np.float64]) -> NDArray[np.float64]:
    """So little that losses which are equal rise strictly, as interpolation wants."""
    return np.linspace(0, 1e-7, len(lost))


def _levels(values: Sequence[int]) -> list[int]:
    """Some values but the last, evenly spaced, in rising order."""
    places = np.linspace(0, len(values) - 1, LEVELS + 1)[:-1]
    return sorted({values[round(place)] for place in places})


def _nearest(values: Sequence[int], wanted: float) -> int:
    return min(values, key=lambda value: abs(value - wanted))
