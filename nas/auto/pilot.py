"""Times a few steps of training, by which `auto` plans."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from nas.architecture import Architecture
from nas.auto.plan import EVALUATED, Counts, Plan, affordable_seconds, planned
from nas.budget import parse_budget
from nas.data import DataSet
from nas.study.candidates import Candidate, Candidates
from nas.study.families import hand_scaled, named
from nas.support.text import significant
from nas.training import Recipe, train

PILOT_EPOCHS, PILOT_STEPS = 4, 6  # of the epochs the quickest counts
DRAWN = 8  # networks
GROWTH = 1.1  # times the multiply-adds, below which no larger network is timed
LEAST = 1.5  # times the smallest network of the space: there is something to search


class Pilot:
    """Plans the training of candidates on a data set, by short trainings of some of them."""

    def __init__(self, candidates: Candidates, data: DataSet, images: Counts, seed: int) -> None:
        self.candidates, self.images, self.seed = candidates, images, seed
        self.recipe = images.suited(Recipe()).changed(epochs=PILOT_EPOCHS)
        size = self.recipe.batch_size
        # Few validation images: how long they take beside training is known only roughly.
        self.few = replace(
            data,
            train=data.train.take(np.arange(min(self.images.training, PILOT_STEPS * size))),
            validation=data.validation.take(np.arange(min(self.images.validation, size))),
            test=None,
            content=None,
        )

    def planned(self, minutes: float | None) -> Plan:
        """The plan for so many minutes, after a few steps of training the largest network that is
        to be trained.

        A network that cannot be trained in the time is of no use, however accurate it would become:
        the time is a budget of multiply-adds.
        """
        candidates, limits, cut = self.candidates, self.candidates.budgets, tuple[str, ...]()
        if minutes is None:
            seconds = self._timed(largest(candidates))
        else:
            candidates, seconds = self._affordable(affordable_seconds(self.images, minutes))
            if candidates is not self.candidates:
                limits = candidates.budgets
                limit = f"{significant(limits[-1].limit / 1e6)} MMACs"
                cut = (f"networks of over {limit}, which could not be trained in the time",)
        facts = self.images, seconds, minutes, self.seed, tuple(b.text for b in limits)
        plan = planned(*facts)
        if plan.brief.batch_size < self.recipe.batch_size:
            arch = largest(candidates).arch
            slower = self.seconds(arch, plan.brief.batch_size) / self.seconds(arch)
            plan = planned(*facts, slower=max(1.0, slower))
        return plan.model_copy(update={"cut": (*cut, *plan.cut)})

    def _affordable(self, most: float) -> tuple[Candidates, float]:
        """The candidates of which one image is trained on in so many seconds at most, and the
        seconds of the largest of them.

        It begins with the smallest, so that nothing is timed for longer than it may be trained.
        """
        whole, kept = self.candidates, [b for b in self.candidates.budgets if b.measure != "macs"]

        def within(macs: float) -> Candidates:
            limit = parse_budget(f"{significant(macs / 1e6)}MFLOPs")
            return Candidates(whole.space, whole.target, (*kept, limit))

        reached, limit, rate = 0.0, LEAST * whole.smallest("macs").value, inf
        least, most_of_all = limit, largest(whole)
        while limit > GROWTH * reached:
            timed = largest(within(limit))
            # The lowest a multiply-add that was seen: others were disturbed, or have slow layers.
            rate = min(rate, self._timed(timed) / timed.cost.macs)
            reached, limit = limit, max(least, most / rate)
            if limit >= most_of_all.cost.macs:
                return whole, self._timed(most_of_all)
        capped = within(limit)
        return capped, rate * largest(capped).cost.macs

    def _timed(self, candidate: Candidate) -> float:
        """The seconds of training on one image."""
        return self.seconds(candidate.arch)

    def seconds(self, arch: Architecture, batch_size: int | None = None) -> float:
        """The seconds of training a network on one image, in batches of this size or of the one
        that suits the images."""
        recipe = self.recipe.changed(batch_size=batch_size)
        history = train(arch, self.few, recipe).history
        count = len(self.few.train.labels) + EVALUATED * len(self.few.validation.labels)
        return min(epoch.seconds for epoch in history) / count


def largest(candidates: Candidates) -> Candidate:
    """The network of most multiply-adds within the budgets among those scaled by hand, a few random
    ones, as there may be none scaled by hand near the budget, and the smallest."""
    rng = np.random.default_rng(0)
    drawn = (candidates.feasible({}, rng) for _ in range(DRAWN))
    by_hand = [named(candidates, *pair) for pair in hand_scaled(candidates).items()]
    made = [*by_hand, *filter(None, drawn)]
    made.append(candidates.make(candidates.smallest("macs").params))
    return max(made, key=lambda candidate: candidate.cost.macs)
