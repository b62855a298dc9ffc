"""The plan of what `nas measure` times: networks, and single blocks and layers of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import numpy as np

from nas.architecture import Architecture
from nas.blocks import Block
from nas.costs import cost
from nas.graph import Shape
from nas.latency.lowering.kernels import row_kernels
from nas.latency.table import Subject
from nas.references import reference, reference_names
from nas.resolution import resolution_of
from nas.space import SearchSpace
from nas.space.files import space_names
from nas.support.errors import NasError, ShapeError

Sampler = Callable[[int], Architecture]

# Networks, with their resolution, that every batch times. Small ones show the clock's speed. Two
# need more memory than the nearest caches have, so they show when other work takes caches away.
ANCHORS = {
    "squeezenet1_1": 96,
    "shufflenet_v2_x0_5": 96,
    "mobilenet_v3_small_100": 96,
    "mobilenet_v2_100": 224,
    "ghostnet_100": 224,
}
NETWORKS = 1000
SHARE = 0.45  # of networks among the subjects
PUBLISHED = 4  # every so many networks one is a published one, which random ones are unlike
MAX_MACS = 1_000_000_000  # of a published network that is timed as a whole: larger ones take long
LINEAR = 0.05  # share of linear layers among the others: networks have few, of few sizes
SUBJECTS = len(ANCHORS) + round((NETWORKS - len(ANCHORS)) / SHARE)
SIZES = (16, 32, 64, 96, 128, 160, 192, 224, 256)
MAX_WEIGHTS = 110_000_000  # the largest published layer, of the VGGs, has 103 million
# Added after tables had been begun, whose plan is to go on as it was; their kernels are the same.
LATER = ("tiny", "mobilenet_v4", "lcnet", "repvgg", "mobileone", "mlperf_tiny")
UNTIMED = ("gap", "skip")  # every timed block has a `gap` after it, and a `skip` does nothing


def mixed_network(seed: int) -> Architecture:
    """A random network of a shipped space: `mobile` for even seeds, `small` for odd ones."""
    return _space("small" if seed % 2 else "mobile").sample(seed // 2)


@lru_cache
def _space(name: str) -> SearchSpace:
    return SearchSpace.load(name)


@lru_cache
def _shipped() -> tuple[str, ...]:
    return tuple(name for name in space_names() if not name.startswith(LATER))


@lru_cache
def _published() -> tuple[str, ...]:
    return tuple(name for name in reference_names() if not name.startswith(LATER))


@lru_cache
def _published_small() -> tuple[str, ...]:
    return tuple(name for name in _published() if cost(reference(name)).macs <= MAX_MACS)


def published_network(seed: int) -> Architecture:
    """A random published network of at most `MAX_MACS`, at a random resolution that it can have."""
    rng = np.random.default_rng(seed)
    while True:
        size = int(rng.choice(SIZES))
        arch = reference(str(rng.choice(_published_small())), resolution=size)
        with suppress(ShapeError):
            arch.graph()
            return arch


def anchors() -> list[Subject]:
    """The networks that every batch times."""
    return [Subject.network(reference(name, resolution=px)) for name, px in ANCHORS.items()]


def subjects(sample: Sampler = mixed_network) -> Iterator[Subject]:
    """Yields the anchors, then random networks and published ones, up to `NETWORKS` in all, mixed
    with a few more single rows of other networks. Always the same ones in the same order;
    a subject may come twice."""
    yield from anchors()
    rng = np.random.default_rng(0)
    count = len(ANCHORS)
    for i in range(1, SUBJECTS - count + 1):
        wanted = len(ANCHORS) + int(i * SHARE)
        if count < wanted:
            count += 1
            made = published_network if count % PUBLISHED == 0 else sample
            yield Subject.network(made(count))
        else:
            yield _some_row(rng, sample)


def _some_row(rng: np.random.Generator, sample: Sampler) -> Subject:
    """A random row of a random network: of `sample`, of a shipped space or a published one, with
    an input of random size. All kinds of row of that network are equally likely, however rare."""
    linear = rng.random() < LINEAR
    while True:
        arch = _source(rng, sample)
        timed = list(_rows(replace(arch, resolution=int(rng.choice(SIZES)))))
        kinds = sorted({row.kind for row, _ in timed if (row.kind == "linear") == linear})
        if kinds:
            kind = kinds[rng.integers(len(kinds))]
            rows = [(row, shape) for row, shape in timed if row.kind == kind]
            return in_context(*rows[rng.integers(len(rows))])


def _source(rng: np.random.Generator, sample: Sampler) -> Architecture:
    seed = int(rng.integers(1 << 30))
    match rng.integers(3):
        case 0:
            return sample(seed)
        case 1:
            return _space(str(rng.choice(_shipped()))).sample(seed)
        case _:
            return reference(str(rng.choice(_published())))


def _rows(arch: Architecture) -> Iterator[tuple[Block, Shape]]:
    """Yields the rows that can be timed alone, with the shapes of their inputs."""
    with suppress(NasError):  # the network may become too small for a row
        for row, (_, graph) in zip(arch.rows(), arch.row_graphs(), strict=True):
            shape = graph.nodes[0].shape
            size = sum(kernel.weights for kernel in row_kernels(row, shape))
            if row.kind not in UNTIMED and size <= MAX_WEIGHTS:
                yield row, shape


def in_context(row: Block, shape: Shape) -> Subject:
    """The subject that times one row: a block between a 1x1 convolution of the image and global
    pooling, so that its input has the runtime's own memory layout, as in a network. A linear layer
    has no such layout and is timed as a kernel."""
    if row.kind == "linear":
        return Subject.kernel(row, shape)
    stem = Block("conv", out=shape[0], kernel=1)
    size = resolution_of(*shape[1:])
    return Subject.block(Architecture(size, (stem,), ((row,),), (Block("gap"),)))
