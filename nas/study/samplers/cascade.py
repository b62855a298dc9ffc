"""The cascade: of several proposals, the one that looks best before any proxy is run.

What is analytic of a network, its costs and channels, says much of its score. A linear model of
the logs, fitted to the study's own trials and its reference sample, predicts the score; the costs
are known. So a proposal is judged in a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from optuna.trial import FrozenTrial

from nas.blocks import Block, block_graph
from nas.graph import Shape
from nas.measures import OBJECTIVES
from nas.resolution import mean_side
from nas.study.candidates import Candidate, Candidates
from nas.study.objectives import Aim

KNOWN = 1000
RIDGE = 1.0


class Screen:
    """Picks among a study's proposals by a model of the score."""

    def __init__(self, candidates: Candidates, objectives: Sequence[str]) -> None:
        self._candidates = candidates
        self._measures = [OBJECTIVES[name] for name in objectives]
        self._features: dict[str, np.ndarray] = {}

    def pick(
        self, proposals: Sequence[Candidate], known: Sequence[FrozenTrial], rng: np.random.Generator
    ) -> Candidate:
        """The proposal that is predicted to come farthest towards an aim drawn by `rng`.

        `known` are finished trials, of which the last ones count.
        """
        known = known[-KNOWN:]
        # A score that floating point rounds to 0 has a log too.
        misses = np.maximum([-trial.values[0] for trial in known], np.finfo(float).eps)
        predict = fitted(np.array([self._known(trial) for trial in known]), -np.log(misses))
        predicted = np.exp(-predict(np.array([features(p) for p in proposals])))
        costs = [[p.value(measure) for measure in self._measures] for p in proposals]
        aim = Aim.drawn(rng, np.array([[-t.values[0], *t.values[1:]] for t in known]))
        return proposals[int(np.argmax(aim.reached(np.column_stack([predicted, costs]))))]

    def _known(self, trial: FrozenTrial) -> np.ndarray:
        key = trial.user_attrs["hash"]
        if key not in self._features:
            self._features[key] = features(self._candidates.make(trial.params))
        return self._features[key]


def features(candidate: Candidate) -> np.ndarray:
    """The logs of the costs, the resolution and the sum of convolution channels."""
    cost, channels = candidate.cost, 1 + sum(candidate.arch.walk(_channels))
    side = mean_side(candidate.arch.resolution)
    counts = (cost.macs, cost.params, cost.peak_bytes, side, channels)
    return np.log([*counts, candidate.latency.ms])


@lru_cache(maxsize=1 << 17)
def _channels(row: Block, shape: Shape) -> tuple[int, Shape]:
    graph = block_graph(row, shape)
    return sum(node.shape[0] for node in graph.nodes if node.op == "conv"), graph.output_shape


def fitted(x: np.ndarray, y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Ridge regression of y on standardised columns of x."""
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - mean) / scale
    weights = np.linalg.solve(z.T @ z + RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return lambda new: (new - mean) / scale @ weights + y.mean()
