"""Candidates that are children of a trained network, and what their evaluation depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.architecture import Architecture
from nas.budget import Budget
from nas.data import DataSet
from nas.latency import Target
from nas.measures import Measure
from nas.pruning.space import RESOLUTION, PruningSpace
from nas.resolution import Resolution, mean_side
from nas.space import Params
from nas.space.extremes import Extreme
from nas.space.options import OptionSpace
from nas.study.candidates import Candidate, Candidates
from nas.study.settings import StudySettings

if TYPE_CHECKING:
    from nas.pruning.evaluate import Inheritance
    from nas.torch_module import Network
    from nas.training.run import Start
    from nas.training.teacher import Teacher

STEPS = 7  # of the bisection by which a child is made to fit
FREE = 0.25  # of proposals have the resolution that the sampler says
FEW = 3  # values of an option, from the least on, among which the smallest child is looked for


def candidates_of(space: OptionSpace, target: Target, budgets: Sequence[Budget]) -> Candidates:
    """The candidates of a space, whichever kind of space it is."""
    if isinstance(space, PruningSpace):
        return PruningCandidates(space, target, budgets)
    return Candidates(space, target, budgets)


class PruningCandidates(Candidates):
    """Makes children of a parent, each as wide as the budgets allow.

    What is proposed says how widths compare with each other: they are moved together, towards the
    parent's or towards the least, until the child just fits. So the whole search is spent on
    children of the size that is wanted.
    """

    def __init__(self, space: PruningSpace, target: Target, budgets: Sequence[Budget]) -> None:
        super().__init__(space, target, budgets)
        self.pruning = space

    def smallest(self, measure: Measure) -> Extreme:
        """The least value of a measure that a child reaches on the target."""
        best = Extreme(self.make(self.pruning.least).value(measure), self.pruning.least)
        # A wider layer, or a block that is kept, can be quicker on some devices.
        for name, values in self.space.options.items():
            for value in values[:FEW]:
                trial = {**best.params, name: value}
                reached = self.make(trial).value(measure)
                if reached < best.value:
                    best = Extreme(reached, trial)
        return best

    def feasible(self, chosen: Params, rng: np.random.Generator) -> Candidate | None:
        """A child near the `chosen` options that just fits, the options left open drawn at random.

        None where that fails, which takes contradicting budgets.
        """
        drawn = {**self.space.sample_params(rng), **chosen}
        return self.fitted(drawn) or self._repair(self.make(drawn), rng)

    def turn(self, best: Mapping[Resolution, float], rng: np.random.Generator) -> Params:
        """The resolution of the next child, one at random of `unbeaten`; now and then what the
        sampler says."""
        sizes = self.space.options.get(RESOLUTION, ())
        known = {size: best[size] for size in sizes if size in best}
        if not known or rng.random() < FREE:
            return {}
        worth = unbeaten(known)
        return {RESOLUTION: worth[rng.integers(len(worth))]}

    def fitted(self, params: Params) -> Candidate | None:
        """The widest child of these proportions within budget, None where there is none."""
        return widest(lambda share: self.make(self._scaled(params, share)), self.excess, STEPS)

    def _scaled(self, params: Params, share: float) -> dict[str, Any]:
        """The assignment with widths moved from the least (0) over what they are (0.5) to the
        parent's (1)."""
        scaled = dict(params)
        for name in self.pruning.widths:
            values = self.space.options[name]
            place, last = values.index(params[name]), len(values) - 1
            below, above = 2 * min(share, 0.5), 2 * max(share - 0.5, 0)
            scaled[name] = values[round(place * below + (last - place) * above)]
        return scaled

    def uniform(self) -> list[Candidate]:
        """The children within budget that keep the same share of every width: one for each
        resolution, from the parent's down, no block left out."""
        sizes = self.space.options.get(RESOLUTION, ())[::-1]
        whole = self.pruning.whole
        tried = [{**whole, RESOLUTION: size} for size in sizes] or [whole]
        return [child for params in tried if (child := self.fitted(params))]


def unbeaten(accuracies: Mapping[Resolution, float]) -> list[Resolution]:
    """The resolutions, from the highest down, whose best inherited accuracy is above that of all
    higher ones.

    It compares children of one resolution: fewer pixels cost little of it, and much of what
    fine-tuning reaches, so of each such resolution the best is looked for and fine-tuned.
    """
    found, top = list[Resolution](), 0.0
    for size in sorted(accuracies, key=mean_side, reverse=True):
        if not found or accuracies[size] > top:
            found.append(size)
            top = accuracies[size]
    return found


def widest(
    make: Callable[[float], Candidate],
    excess: Callable[[Candidate], dict[Measure, float]],
    steps: int,
) -> Candidate | None:
    """The candidate of the greatest share, from 0 to 1, that exceeds no budget; None where even
    that of 0 does."""
    low, high, best = 0.0, 1.0, make(1.0)
    if not excess(best):
        return best
    best = make(0.0)
    if excess(best):
        return None
    for _ in range(steps):
        middle = (low + high) / 2
        tried = make(middle)
        if excess(tried):
            high = middle
        else:
            low, best = middle, tried
    return best


def inheritance_of(settings: StudySettings, source: str | None = None) -> Inheritance:
    """What the inherited accuracies of a pruning study depend on; `source` is where its data are
    now, if that is elsewhere."""
    from nas.pruning.evaluate import Inheritance  # needs torch

    pruning = settings.pruning
    assert pruning is not None
    assert settings.data is not None
    assert settings.data_checksum is not None
    parent = PruningSpace.from_dict(settings.space, "pruning").parent
    return Inheritance(
        parent=parent.to_json(),
        weights=pruning.weights,
        checksum=pruning.checksum,
        data=source or settings.data,
        data_options=settings.data_options.model_dump_json(),
        data_checksum=settings.data_checksum,
        criterion=pruning.criterion,
        reconstruct=pruning.reconstruct,
        norm_eps=pruning.norm_eps,
        seed=settings.seed,
        images=pruning.images,
        norm_images=pruning.norm_images,
        criterion_images=pruning.criterion_images,
    )


def inherited_module(settings: StudySettings, arch: Architecture) -> Network:
    """A child with the weights that it inherits, in evaluation mode, as it was judged."""
    from nas.pruning.evaluate import inherited

    return inherited(arch, inheritance_of(settings))


def fine_tuning(
    settings: StudySettings, arch: Architecture, data: DataSet
) -> tuple[Teacher | None, Start | None]:
    """The teacher and the start of a child's fine-tuning: the parent, and what is inherited of it.
    Neither where the study prunes nothing."""
    if settings.pruning is None:
        return None, None
    from nas.pruning.evaluate import bench_of, load_parent
    from nas.training.run import Start
    from nas.training.teacher import Teacher

    inheritance = inheritance_of(settings, data.source)
    parent = Architecture.from_json(inheritance.parent)
    weights = inheritance.weights
    module = load_parent(parent, weights, inheritance.norm_eps)
    teacher = Teacher.of(
        str(Path(weights)), inheritance.checksum, module, parent.resolution, data.moments
    )
    about = inheritance.criterion, inheritance.reconstruct, inheritance.seed
    identity = " ".join(map(str, (inheritance.checksum, *about)))
    return teacher, Start(identity, lambda: bench_of(inheritance, data).child(arch))
