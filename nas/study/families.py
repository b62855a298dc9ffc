"""Hand-scaled networks of the published families: what every search begins with.

A search cannot lose unseen to what people would do by hand. Of each family there are two networks,
one with its own depth and one with half of it, each as wide as the budgets allow. Where a space
cannot express one, the network of it that is nearest takes its place, as `like …`; or the family's
own is scored, and samplers see the nearest in its place, if the space lets `families_beside` it.
"""

from __future__ import annotations

import re
from typing import Any

from nas.architecture import Architecture
from nas.references.adapted import FAMILIES, adapted
from nas.resolution import mean_side
from nas.space import SearchSpace
from nas.space.nearest import nearest
from nas.study.candidates import Candidate, Candidates

WIDTHS = (2.0, 1.7, 1.4, 1.2, 1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1)
USUAL = 224  # pixels; where a space has no such input, the smallest it has


NAME = re.compile(r"(?P<family>\w+)(?P<half> half)? ×(?P<width>[\d.]+)")


def hand_scaled(candidates: Candidates) -> dict[str, dict[str, Any]]:
    """Assignments within the budgets by name of the network: `squeezenet1_1 half ×0.5`, which
    `named` gives, or `like …`. No network is there twice."""
    found: dict[str, dict[str, Any]] = {}
    hashes: set[str] = set()
    for name in FAMILIES:
        for half in (False, True):
            widest = _widest(name, half, candidates)
            if widest and widest[1].arch.hash not in hashes:
                label, candidate = widest
                hashes.add(candidate.arch.hash)
                found[label] = candidate.assignment
    return found


def named(candidates: Candidates, label: str, assignment: dict[str, Any]) -> Candidate:
    """The candidate of that label and assignment among those of `hand_scaled`."""
    match = NAME.fullmatch(label)
    if match is None or match["family"] not in FAMILIES:
        return candidates.make(assignment)  # one that is like it, or of another version
    arch = _scaled(match["family"], float(match["width"]), bool(match["half"]), candidates)
    return candidates.beside(assignment, arch.renamed(""))


def _widest(name: str, half: bool, candidates: Candidates) -> tuple[str, Candidate] | None:
    """The widest that is within the budgets, found by halving the list of widths."""
    best, low, high = None, 0, len(WIDTHS)
    while low < high:
        middle = (low + high) // 2
        made = _made(name, WIDTHS[middle], half, candidates)
        if made is None:
            return None
        label, candidate = made
        if candidates.excess(candidate):
            low = middle + 1
        else:
            best, high = (label, candidate), middle
    return best


def _made(
    name: str, width: float, half: bool, candidates: Candidates
) -> tuple[str, Candidate] | None:
    """The family's network for the space's images, or one like it; None in a space without its
    blocks."""
    space = candidates.space
    assert isinstance(space, SearchSpace)
    arch = _scaled(name, width, half, candidates)
    known = {block for stage in space.settings.stages for block in stage.block}
    if not {row.kind for stage in arch.stages for row in stage} <= known | {"maxpool"}:
        return None
    assignment = nearest(space, arch)
    made = candidates.beside(assignment, arch)
    if made.beside and not space.settings.families_beside:
        return f"like {arch.name}", candidates.make(assignment)
    return arch.name, made


def _scaled(name: str, width: float, half: bool, candidates: Candidates) -> Architecture:
    """The family's network for the space's images."""
    space = candidates.space
    assert isinstance(space, SearchSpace)
    s = space.settings
    return adapted(
        name,
        width,
        half=half,
        resolution=USUAL if USUAL in s.resolution else min(s.resolution, key=mean_side),
        channels=s.channels,
        classes=s.classes,
        strides=sum(stage.stride > 1 for stage in s.stages),
        stem_stride=dict(space.stem.decode({})[0].settings).get("stride", 1),
    )
