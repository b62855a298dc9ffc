"""What the device model does not see: smooth corrections by channels, size and alignment."""

from __future__ import annotations

from functools import partial
from math import log2

import numpy as np

from nas.latency.device_model import NAMES, Coefficients, Vector, Work
from nas.latency.kernels import OPS, Kernel

RIDGE = 0.2
STEPS = 6
ROBUST = 0.1  # residuals beyond that are held for disturbed measurements and weigh less
NETWORK_WEIGHT = 8.0  # a network is what is to be predicted, and its kernels are many
CLIP = 3.0  # a correction is at most that many e-folds

Corrections = dict[str, list[float]]


def features(kernel: Kernel) -> list[float]:
    """What a correction depends on, each around 0 and of the order of 1."""
    read = sum(shape[0] for shape in kernel.inputs)
    made = kernel.output[0]
    sizes = (
        log2(read / 64) / 2,
        log2(made / 64) / 2,
        log2(kernel.output[1] * kernel.output[2] / 400) / 4,
        log2(kernel.size[0] * kernel.size[1]) / 3,
    )
    a, b, c, d = sizes
    channels = [shape[0] for shape in kernel.inputs] + [made]
    return [
        1.0,
        *sizes,
        *(a * a, a * b, a * c, a * d, b * b, b * c, b * d, c * c, c * d, d * d),
        float(kernel.stride - 1),
        float(kernel.act is not None),
        float(kernel.act == "relu6"),
        float(kernel.residual),
        *(float(any(n % block for n in channels)) for block in (8, 16)),
        # Runtimes pad channels to a vector's length.
        -read % 16 / read,
        -made % 16 / made,
    ]


def fit_corrections(work: Work, coefficients: Coefficients, alone: Vector) -> Corrections:
    """The weights of every operation, by ridged and robust Gauss-Newton on log latency.

    `alone` tells which samples are no whole network. Their kernels find their data in the cache
    and run a little faster; two more weights an operation take that up and are then left out.
    """
    from scipy import sparse

    base = work.kernels_ms(np.array([coefficients[name] for name in NAMES]))
    hot = alone[work.owner].astype(np.float64)
    size = np.array([log2(k.moved) / 4 - 4 for k in work.kernels])
    table = np.column_stack([[features(k) for k in work.kernels], hot, hot * size])
    kernels, width = table.shape
    operation = np.array([OPS.index(k.op) for k in work.kernels])
    columns = (operation * width)[:, None] + np.arange(width)
    csr = partial(sparse.csr_matrix, dtype=np.float64)
    ends = np.arange(kernels + 1)
    design = csr((table.ravel(), columns.ravel(), ends * width), shape=(kernels, len(OPS) * width))
    owned = csr((np.ones(kernels), (work.owner, ends[:-1])), shape=(work.count, kernels))
    weights = np.zeros(len(OPS) * width)
    importance = np.where(alone, 1.0, NETWORK_WEIGHT)
    for _ in range(STEPS):
        ms = base * np.exp(np.clip(design @ weights, -CLIP, CLIP))
        total = owned @ ms + coefficients["constant"]
        residual = np.log(total) - work.log_ms
        share = sparse.diags_array(1 / total) @ owned @ sparse.diags_array(ms)
        jacobian = (share @ design).toarray()
        weighted = jacobian * (importance / np.hypot(1, residual / ROBUST))[:, None]
        hessian = weighted.T @ jacobian + RIDGE * np.eye(len(weights))
        weights -= np.linalg.solve(hessian, weighted.T @ residual + RIDGE * weights)
    rows = weights.reshape(len(OPS), width)[:, :-2]
    seen = {k.op for k in work.kernels}
    return {
        op: [float(f"{w:.5g}") for w in rows[i]]
        for i, op in enumerate(OPS)
        if op in seen and op != "boundary"
    }
