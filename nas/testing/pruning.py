"""The contract of a block whose trained networks are pruned: every block keeps it unasked."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import nn

from nas.architecture import Architecture
from nas.blocks import KINDS, Block
from nas.branches import deployed
from nas.costs import cost
from nas.graph import Graph
from nas.pruning.children import ChannelMap
from nas.pruning.evaluate import estimate
from nas.pruning.inherit import Parent
from nas.pruning.quick import QuickNetwork
from nas.pruning.space import PruningSpace
from nas.support.errors import NasError, ShapeError
from nas.testing.blocks import VALUES, Values, sample_rows
from nas.testing.claims import claim
from nas.testing.numerics import images, randomise, run_torch
from nas.torch_module import build

TOLERANCE = 1e-5
ROUNDING = 1e-3  # norms over few pixels may divide by little
RESOLUTION = 8


def check_prunable(
    name: str, *, values: Values | None = None, examples: int = 2, seed: int = 0, most: int = 12
) -> None:
    """Checks that networks of a registered block can be pruned, on `most` rows of it.

    A child of all channels computes what its parent computes. Where channels that a child does not
    have are zero in the parent, both compute the same; but for a convolution along the channels,
    whose windows see others then. A child's parameters and output are those that its costs say.
    What judges children computes what their modules do.

    `values`, `examples` and `seed` are those of `check_block`. Errors: `AssertionError` with the
    row and the shape; `NasError` for a name that is not registered.
    """
    kind, rng, tried = KINDS[name], np.random.default_rng(seed), 0
    some = {**VALUES, "act": (None, "relu", "silu"), **(values or {})}
    for row, shape in islice(sample_rows(kind, some, examples, rng), most):
        arch = _network(row, shape[0])
        if arch is None:
            continue
        tried += 1
        _check(arch, rng, f"{row} on {shape[0]} channels")
    claim(tried > 0, f"block '{name}': none of its rows took any shape; give it other `values`")


def _network(row: Block, channels: int) -> Architecture | None:
    """A small network with the row in it, twice if it can be; None where it takes no such shape."""
    stem = (Block("conv", out=channels, kernel=1),)
    head = (Block("gap"), Block("linear", out=5))
    for rows in ((row, row), (row,)):
        arch = Architecture(RESOLUTION, stem, (rows,), head)
        try:
            arch.graph()
        except ShapeError:
            continue
        return arch
    return None


def _check(arch: Architecture, rng: np.random.Generator, where: str) -> None:
    space = PruningSpace.of(arch, "children", divisor=1)
    arch = space.parent
    graph = arch.graph()
    module = randomise(build(arch, seed=0))
    scores = {
        node.name: rng.random(node.shape[0])
        for node in graph.nodes
        if node.op in ("conv", "linear")
    }
    parent, x = Parent(arch, module, scores), images(2, *arch.input_shape)
    _same(
        run_torch(parent.child(arch).eval(), x), run_torch(module, x), f"{where}: the whole child"
    )
    for _ in range(2):
        params = space.sample_params(rng)
        child = space.decode(params)
        try:
            kept = parent.channels(child)
        except NasError as error:
            claim(False, f"{where}: a child of its own space cannot inherit: {error}")
        pruned = parent.child(child, kept).eval()
        shown = images(2, *child.input_shape)
        got = run_torch(pruned, shown)
        count = sum(p.numel() for p in deployed(pruned).parameters())
        claim(count == cost(child).params, f"{where}: {count} parameters, not {cost(child).params}")
        claim(got.shape == (2, 5), f"{where}: a child's output is {got.shape}")
        many = torch.from_numpy(images(16, *child.input_shape))
        quick = QuickNetwork(child, parent.tensors(child, kept, learned=True))
        estimate(pruned, many)
        with torch.no_grad():
            expected = pruned(many).numpy()
            for judged in (quick.settle(many), quick(many)):
                _same(judged.numpy(), expected, f"{where}, as it is judged", ROUNDING)
        if any(params.get(name) for name in space.skips) or _along_channels(graph):
            continue
        same = replace(arch, resolution=child.resolution)
        silent = _silenced(same, module, graph, kept)
        _same(got, run_torch(silent, shown), f"{where}, pruned to {params}: zero channels")


def _same(got: np.ndarray, expected: np.ndarray, what: str, tolerance: float = TOLERANCE) -> None:
    off = float(np.abs(got - expected).max())
    limit = tolerance * max(1.0, float(np.abs(expected).max()))
    claim(off <= limit, f"{what} computes something else, off by {off:.2g}")


def _along_channels(graph: Graph) -> bool:
    """Whether windows reach over channels, so that without one others are neighbours."""
    return any(node.op == "swap" and node.start == 0 for node in graph.nodes)


def _silenced(arch: Architecture, module: nn.Module, graph: Graph, kept: ChannelMap) -> nn.Module:
    """The parent with everything zero by which channels that the child lacks are made."""
    silent = build(arch, seed=0)
    silent.load_state_dict(module.state_dict())
    with torch.no_grad():
        for node in graph.nodes:
            if node.name not in kept:
                continue
            lost = np.setdiff1d(np.arange(node.shape[0]), kept[node.name].out)
            for name, tensor in silent.get_submodule(node.name).state_dict().items():
                if tensor.ndim and not name.startswith("norm.running"):
                    tensor[torch.from_numpy(lost)] = 0
    return silent.eval()
