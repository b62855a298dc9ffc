"""What the amounts of work do not tell: a smooth, learned correction of each kernel.

    log correction(kernel) = linear[operation] . x + weights . cos(x W + b)

x are the kernel's features: its size, how it fills vectors, tiles and caches. The cosines are
random Fourier features (Rahimi and Recht 2007), the same for every target, so that the sum is a
Gaussian process's mean over all operations; what resembles one another learns from one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nas.graph import Act
from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import Additive, Vector
from nas.latency.model.columns import PLACES, Columns

VERSION = 3  # of a fit: its features, basis and doubt; one of another version is of no use
WAVES = 1000
AT_ONCE = 32  # kernels whose waves are computed at once: they stay in a core's own cache
SIZE_SCALE, FLAG_SCALE = 1.0, 4.0  # over which the correction changes, of sizes and of flags
APART = 1.5  # how far operations are from one another
AMPLITUDE = 3.0  # of the waves, to that of the linear part
WAVE = AMPLITUDE * (2 / WAVES) ** 0.5  # that of each
RIDGE = 0.05
STEPS = 12
ROBUST = 0.04  # residuals beyond that are held for disturbed measurements and weigh less
PART_WEIGHT = 0.2  # of what is no whole network
CLIP = 4.0  # a correction is at most that many e-folds
FASTEST_MS = 1e-3
VECTOR, TILE = 16, 6  # floats of a vector, positions that a convolution computes at a time
CACHES = (5e4, 1e6, 8e6)  # bytes, orders of magnitude: where a kernel's data may still fit
SMOOTH: Final[tuple[Act, ...]] = ("hswish", "hsigmoid", "sigmoid", "silu")
SIZES = 6


def operation(kernel: Kernel) -> str:
    """What is corrected on its own: the operation in a layout."""
    return PLACES[kernel.op, kernel.layout]


def features(kernels: Sequence[Kernel] | Columns) -> Vector:
    """What the corrections of kernels depend on, a row a kernel: sizes around 0 and of the order of
    1, then flags."""
    known = Columns.of(kernels)
    area, macs, moved = known.area, known.macs, known.moved
    numbers = (
        np.log2(known.channels / 64) / 2,
        np.log2(known.made / 64) / 2,
        np.log2(area / 400) / 4,
        np.log2(known.window) / 3,
        np.log2(np.where(macs > 0, macs, 1e6) / 1e6) / 5,
        np.log2(moved / 1e4) / 4,
        np.ones_like(area),
        known.stride - 1,
        known.act > 0,
        known.acts("relu6"),
        known.acts(*SMOOTH),
        known.residual,
        known.inputs - 1,
        known.channels % VECTOR != 0,
        known.made % VECTOR != 0,
    )
    flags = (
        np.ceil(known.made / VECTOR) % 4 == [[1], [2], [3]],
        known.width == 1,
        known.width < TILE,
        known.width % TILE == np.arange(1, TILE)[:, None],
        area % [[64], [1024], [16384]] == 0,  # planes that fall on the same lines of a cache
        known.width % 64 == 0,
        1 / (1 + (np.array(CACHES)[:, None] / (4.0 * moved)) ** 2),
    )
    found: Vector = np.vstack([numbers, *flags]).T
    return found


WIDTH = features([]).shape[1]


class Sample(NamedTuple):
    """Something measured: the kernels that ran, the latency of them all in ms, and whether it is a
    whole network."""

    kernels: tuple[Kernel, ...]
    latency_ms: float
    network: bool


class Corrections(NamedTuple):
    """The learned numbers. Row i of `linear` belongs to `operations[i]`; an operation that is not
    among them is not corrected."""

    operations: tuple[str, ...]
    linear: Vector
    weights: Vector

    def factors(self, kernels: Sequence[Kernel] | Columns) -> Vector:
        """The correction of each kernel."""
        return self.corrected(kernels, 0)[0]

    def corrected(self, kernels: Sequence[Kernel] | Columns, count: int) -> tuple[Vector, Any]:
        """The correction of each kernel, and the first `count` of its waves, as large as if there
        were no more of them."""
        known, new = Columns.of(kernels), len(self.operations)
        rows = _rows(self.operations)[known.place]
        x, which = features(known), np.where(rows < 0, new, rows)
        log, first = np.zeros(len(x)), np.empty((len(x), count), np.float32)
        for i in range(0, len(x), AT_ONCE):
            part = slice(i, i + AT_ONCE)
            waves = _waves(x[part], which[part], new + 1)
            log[part], first[part] = waves @ self.weights, waves[:, :count]
        log += (x * self.linear[rows]).sum(1)
        first *= (WAVES / max(count, 1)) ** 0.5
        return np.where(rows < 0, 1.0, np.exp(np.clip(log, -CLIP, CLIP))), first


@lru_cache(maxsize=8)
def _rows(operations: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """The row of each of `PLACES`, -1 where it has none."""
    at = {name: i for i, name in enumerate(operations)}
    return np.array([at.get(name, -1) for name in PLACES.values()])


@lru_cache(maxsize=8)
def _frequencies(width: int, operations: int) -> tuple[Vector, Vector]:
    """Half of W for features; half of W and of b for operations. RandomState's stream is the same
    in every version of numpy."""
    random = np.random.RandomState(0)
    scale = np.full(width + operations, APART)
    scale[:SIZES], scale[SIZES:width] = 1 / SIZE_SCALE, 1 / FLAG_SCALE
    phases = random.uniform(0, 2 * np.pi, WAVES)
    halves = random.standard_normal((width + operations, WAVES)) * scale[:, None] / 2
    return halves[:width], halves[width:] + phases / 2


def _waves(x: Vector, which: Vector, operations: int) -> Vector:
    """cos(2a) = 2 / (1 + tan(a)^2) - 1, as numpy's tangent is at least as fast as its cosine, and
    with AVX-512 eight times."""
    by_feature, by_operation = _frequencies(x.shape[1], operations)
    waves: Vector = x @ by_feature
    waves += by_operation[which]
    np.tan(waves, out=waves)
    np.square(waves, out=waves)
    waves += 1.0
    np.divide(2 * WAVE, waves, out=waves)
    waves -= WAVE
    return waves


def counted(samples: Sequence[Sample]) -> tuple[list[Kernel], Any]:
    """The kernels of samples, each once, and how often each is in each sample: a sparse matrix
    with a row a sample."""
    from scipy import sparse

    index: dict[Kernel, int] = {}
    columns = [index.setdefault(k, len(index)) for s in samples for k in s.kernels]
    owner = np.repeat(np.arange(len(samples)), [len(s.kernels) for s in samples])
    shape = (len(samples), len(index))
    return list(index), sparse.csr_matrix((np.ones(len(columns)), (owner, columns)), shape=shape)


def importances(samples: Sequence[Sample], residual: Vector) -> Vector:
    """How much each sample counts: a whole network more, and less what is far off."""
    importance = np.where([s.network for s in samples], 1.0, PART_WEIGHT)
    weights: Vector = importance / np.hypot(1, residual / ROBUST)
    return weights


def fit_corrections(samples: Sequence[Sample], base: Additive) -> tuple[Corrections, float]:
    """The corrections of what `base` predicts and the constant in ms, by ridged and robust
    Gauss-Newton on the log latency of the samples."""
    from scipy import sparse

    kernels, counts = counted(samples)
    priced = base.kernels_ms(kernels)
    measured = np.log([s.latency_ms for s in samples])
    operations = tuple(sorted({operation(k) for k in kernels}))
    which = np.array([operations.index(operation(k)) for k in kernels])
    x = features(kernels)
    width = x.shape[1]
    linear = np.zeros((len(kernels), len(operations) * width))
    for i in range(len(operations)):
        linear[which == i, i * width : (i + 1) * width] = x[which == i]
    used = np.flatnonzero(linear.any(0))
    design = np.hstack([linear[:, used], _waves(x, which, len(operations))])
    weights, log_constant = np.zeros(design.shape[1]), np.log(max(base.constant_ms, FASTEST_MS))
    for _ in range(STEPS):
        ms = priced * np.exp(np.clip(design @ weights, -CLIP, CLIP))
        constant = np.exp(log_constant)
        total = counts @ ms + constant
        residual = np.log(total) - measured
        share = sparse.diags_array(1 / total) @ counts @ sparse.diags_array(ms)
        jacobian = np.hstack([share @ design, (constant / total)[:, None]])
        step = _step(jacobian, importances(samples, residual), residual, np.append(weights, 0.0))
        weights -= step[:-1]
        log_constant -= np.clip(step[-1], -1, 1)
    table = np.zeros(len(operations) * width)
    table[used] = weights[: len(used)]
    corrections = Corrections(operations, table.reshape(-1, width), weights[len(used) :])
    return corrections, float(np.exp(log_constant))


def _step(jacobian: Vector, importances: Vector, residual: Vector, ridged: Vector) -> Vector:
    """The least-squares step; with fewer samples than weights by the samples' equations, which have
    the same solution (Woodbury)."""
    from scipy.linalg import solve

    step: Vector
    if len(residual) < len(ridged):
        gram = jacobian @ jacobian.T
        gram[np.diag_indices(len(gram))] += RIDGE / importances
        right = residual - jacobian @ ridged
        step = ridged + jacobian.T @ solve(gram, right, assume_a="pos")
    else:
        scaled = jacobian * np.sqrt(importances)[:, None]
        hessian = scaled.T @ scaled
        hessian[np.diag_indices(len(hessian))] += RIDGE
        gradient = jacobian.T @ (importances * residual) + RIDGE * ridged
        step = solve(hessian, gradient, assume_a="pos")
    return step
