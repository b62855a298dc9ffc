"""What `nas measure` times: networks, blocks and kernels as a search will meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.latency.kernels import Kernel
from nas.latency.table import Subject, network_kernels
from nas.references import reference
from nas.space import SearchSpace

Sampler = Callable[[int], Architecture]

REFERENCES = (
    "mobilenet_v2_100",
    "shufflenet_v2_x1_0",
    "squeezenet1_1",
    "mnasnet_050",
    "resnet18",
)
BLOCKS, KERNELS = 4, 3  # for each network
SIZES = (16, 32, 64, 96, 128, 160, 192, 224, 256)


def random_network(seed: int) -> Architecture:
    """A network of the shipped spaces: three of `mobile`, then one of `small`."""
    return _space("small" if seed % 4 == 3 else "mobile").sample(seed)


@lru_cache
def _space(name: str) -> SearchSpace:
    return SearchSpace.load(name)


def subjects(sample: Sampler = random_network, seed: int = 0) -> Iterator[Subject]:
    """Without end: some published networks, then a random network, rows of another one on inputs
    of varied size, and single kernels of that, in turn. The same seed gives the same order."""
    for name in REFERENCES:
        yield Subject.network(reference(name))
    rng = np.random.default_rng(seed)
    for i in range(1 << 30):
        yield Subject.network(sample(seed + 2 * i))
        other = sample(seed + 2 * i + 1)
        other = replace(other, resolution=int(rng.choice(SIZES)))
        rows = _rows(other)
        for at in rng.permutation(len(rows))[:BLOCKS]:
            yield Subject.row(*rows[at])
        kernels = [k for k in network_kernels(other) if _alone(k) is not None]
        for at in rng.permutation(len(kernels))[:KERNELS]:
            kernel = kernels[at]
            row = _alone(kernel)
            if row is not None:
                yield Subject.row(row, kernel.inputs[0])


def _rows(arch: Architecture) -> list[tuple[Block, tuple[int, int, int]]]:
    found, shape = [], arch.input_shape
    for row in arch.rows():
        found.append((row, shape))
        shape = block_graph(row, shape).output_shape
    return found


def _alone(kernel: Kernel) -> Block | None:
    """A row of this one kernel, its residual left out; none where no row is one such kernel."""
    act = kernel.act
    if (
        kernel.op in ("conv", "pointwise", "depthwise", "grouped")
        and kernel.size[0] == kernel.size[1]
    ):
        return Block(
            "conv",
            out=kernel.output[0],
            kernel=kernel.size[0],
            stride=kernel.stride,
            groups=kernel.groups,
            act=act,
        )
    if kernel.op == "linear":
        return Block("linear", out=kernel.output[0], act=act)
    if kernel.op == "gap":
        return Block("gap")
    return Block("activate", act=act, norm=False) if kernel.op == "activate" else None
