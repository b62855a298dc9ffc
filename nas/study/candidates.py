"""From an assignment of a space's options to a candidate with its costs, and back within budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Block
from nas.budget import Budget
from nas.costs import Cost, Precision, block_cost, bytes_at, cost
from nas.graph import Shape
from nas.latency import Prediction, Target
from nas.latency.model.npu_memory import Memory, row_memory
from nas.measures import MEASURES, OF_TARGET, Measure, format_measure
from nas.resolution import Resolution
from nas.space import Params, SearchSpace
from nas.space.extremes import Extreme, RowValue, smallest
from nas.space.options import OptionSpace
from nas.support.errors import NasError

REDRAWS = 32
REPAIRS = 16
BYTE_MEASURES: tuple[Measure, ...] = ("peak_bytes", "weight_bytes")


@dataclass(frozen=True)
class Candidate:
    """A network with its costs on a target; cheap to make, as nothing is built or run. What takes
    longest, its latency, is not predicted of one that a budget of counts rules out."""

    assignment: dict[str, Any]
    arch: Architecture
    target: Target
    beside: bool = False  # the space: samplers see the assignment in its place

    @cached_property
    def cost(self) -> Cost:
        return cost(self.arch)

    @cached_property
    def latency(self) -> Prediction:
        return self.target.predict(self.arch)

    @cached_property
    def memory(self) -> Memory | None:
        return self.target.memory(self.arch)

    def value(self, measure: Measure) -> float:
        """The candidate's value of a measure: latency, SRAM and flash are the target's, the others
        are costs, bytes in the target's precision."""
        if measure in OF_TARGET:
            return float(getattr(self.memory, measure))
        if measure == "latency_ms":
            return self.latency.ms
        return _of_cost(self.cost, measure, self.target.metadata.precision)


class Candidates:
    """Makes candidates of a space on a target, and bends any assignment into the budgets."""

    def __init__(self, space: OptionSpace, target: Target, budgets: Sequence[Budget]) -> None:
        self.space, self.target, self.budgets = space, target, tuple(budgets)

    def make(self, assignment: Params) -> Candidate:
        """The candidate of an assignment, within budget or not."""
        return Candidate(dict(assignment), self.space.decode(assignment), self.target)

    def beside(self, assignment: Params, arch: Architecture) -> Candidate:
        """The candidate of a network, which is beside the space where it is not what the assignment
        gives."""
        made = self.make(assignment)
        if made.arch.hash == arch.hash:
            return made
        return Candidate(made.assignment, arch, self.target, beside=True)

    def excess(self, candidate: Candidate) -> dict[Measure, float]:
        """The share of itself by which each broken budget is exceeded; empty within all."""
        ratios = {b.measure: candidate.value(b.measure) / b.limit - 1 for b in self.budgets}
        return {measure: ratio for measure, ratio in ratios.items() if ratio > 0}

    def constraints(self, candidate: Candidate) -> dict[str, float]:
        """By how much the candidate exceeds each budget, below 0 within it, as Optuna has it."""
        return {b.text: candidate.value(b.measure) - b.limit for b in self.budgets}

    def smallest(self, measure: Measure) -> Extreme:
        """The least value of a measure that the space reaches on the target."""
        assert isinstance(self.space, SearchSpace)
        if measure == "latency_ms":
            least = smallest(self.space, self.target.row_ms, ahead=self.target.learn)
        elif measure in OF_TARGET:
            peak = MEASURES[measure].by_maximum
            least = smallest(self.space, self._of_npu(measure), peak=peak)
        else:
            least = _smallest_of_costs(self.space, measure, self.target.metadata.precision)
        return Extreme(self.make(least.params).value(measure), dict(least.params))

    def _of_npu(self, measure: Measure) -> RowValue:
        npu, by_peak = self.target.npu, measure == "sram_bytes"

        def value(row: Block, shape: Shape) -> float:
            memory = row_memory(row, shape, npu)
            return memory.peak if by_peak else memory.flash

        return value

    @cached_property
    def anchors(self) -> dict[Measure, Extreme]:
        """The network of the space that is smallest in each budget's measure."""
        return {b.measure: self.smallest(b.measure) for b in self.budgets}

    def check_known(self, measures: Iterable[Measure]) -> None:
        """Refuses measures of which the target says nothing. Errors: `NasError`."""
        for measure in measures:
            if measure in OF_TARGET and not self.target.npu:
                what = MEASURES[measure].objective
                raise NasError(
                    f"target {self.target.name} says nothing of {what}; targets of Ethos-U NPUs do "
                    "(nas measure --runtime vela)"
                )

    def check(self, seed: int = 0) -> None:
        """Refuses budgets that the space cannot meet on this target, each alone or together."""
        self.check_known(budget.measure for budget in self.budgets)
        for budget in self.budgets:
            least = self.anchors[budget.measure].value
            if least > budget.limit:
                raise NasError(
                    f"budget {budget.text!r} cannot be met: the smallest network of space "
                    f"'{self.space.name}' on target '{self.target.name}' has "
                    f"{format_measure(budget.measure, least)}"
                )
        rng = np.random.default_rng(seed)
        if all(self.feasible({}, rng) is None for _ in range(8)):
            texts = " and ".join(repr(b.text) for b in self.budgets)
            raise NasError(f"budgets {texts} cannot be met together in space '{self.space.name}'")

    def turn(self, best: Mapping[Resolution, float], rng: np.random.Generator) -> Params:
        """Options that the next proposal takes whatever a sampler says, by the `best` score of each
        resolution so far."""
        return {}

    def feasible(self, chosen: Params, rng: np.random.Generator) -> Candidate | None:
        """A candidate within every budget, near the `chosen` options.

        Options left open are drawn uniformly, and redrawn while a budget is broken; then the
        chosen ones are repaired. None where that fails, which takes contradicting budgets.
        """
        for _ in range(REDRAWS):
            candidate = self.make({**self.space.sample_params(rng), **chosen})
            if not self.excess(candidate):
                return candidate
            if len(chosen) == len(self.space.options):
                break
        return self._repair(candidate, rng)

    def _repair(self, candidate: Candidate, rng: np.random.Generator) -> Candidate | None:
        """Moves options, in random order, to those of the smallest network, as few as suffice."""
        for _ in range(REPAIRS):
            excess = self.excess(candidate)
            if not excess:
                return candidate
            worst = max(excess, key=lambda measure: excess[measure])
            anchor = self.anchors[worst].params
            differing = [k for k, v in candidate.assignment.items() if anchor[k] != v]
            names = [differing[i] for i in rng.permutation(len(differing))]
            low, high = 1, len(names)
            moved = self._moved(candidate, anchor, names)
            while low < high:
                middle = (low + high) // 2
                trial = self._moved(candidate, anchor, names[:middle])
                if worst in self.excess(trial):
                    low = middle + 1
                else:
                    high, moved = middle, trial
            candidate = moved
        return None if self.excess(candidate) else candidate

    def _moved(self, candidate: Candidate, anchor: Params, names: Iterable[str]) -> Candidate:
        return self.make({**candidate.assignment, **{name: anchor[name] for name in names}})


@lru_cache(maxsize=64)  # studies of one space are begun with the same network
def _smallest_of_costs(space: SearchSpace, measure: Measure, precision: Precision) -> Extreme:
    def value(row: Block, shape: Shape) -> float:
        return _of_cost(Cost(*block_cost(row, shape)[0]), measure, precision)

    return smallest(space, value, peak=MEASURES[measure].by_maximum)


def _of_cost(cost: Cost, measure: Measure, precision: Precision) -> float:
    value: int = getattr(cost, measure)
    return float(bytes_at(precision, value) if measure in BYTE_MEASURES else value)
