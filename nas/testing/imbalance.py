"""Channels out of balance: why MobileNets lose accuracy in int8 (Nagel et al. 2019, section 3)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from nas.torch_module import Network


def unbalance(network: Network, *, hidden: bool, seed: int = 0, most: float = 100.0) -> None:
    """Multiplies channels of a network of inverted bottlenecks with ReLU by random factors between
    1 / `most` and `most`, and divides where they are read, in place: it computes the same.

    `hidden` channels are those inside a block, which one convolution writes and one reads;
    otherwise those between blocks, which are written into a sum and read by several.
    """
    state, rng = network.state_dict(), np.random.default_rng(seed)
    blocks = [k.removesuffix(".expand.conv.weight") for k in state if ".expand.conv.w" in k]
    groups: list[tuple[list[str], list[str]]] = [
        (["stem.0.conv", *(f"{b}.project" for b in blocks)], [f"{b}.expand" for b in blocks])
    ]
    groups[0][1].append(next(k for k in state if k.endswith(".linear.weight")))
    if hidden:
        pairs = (("expand", "depthwise"), ("depthwise", "project"))
        groups = [([f"{b}.{write}"], [f"{b}.{read}"]) for b in blocks for write, read in pairs]
    for writers, readers in groups:
        width = len(state[f"{writers[0]}.norm.weight"])
        factors = torch.from_numpy(most ** rng.uniform(-1, 1, width)).float()
        _scale(state, writers, readers, factors)


def _scale(
    state: dict[str, Tensor], writers: Iterable[str], readers: Iterable[str], factors: Tensor
) -> None:
    for name in writers:
        for part in ("weight", "bias"):
            state[f"{name}.norm.{part}"] *= factors
    for name in readers:
        weight = state.get(f"{name}.conv.weight", state.get(name))
        assert weight is not None
        read = factors[:, None] if weight.shape[1] == 1 else factors
        weight /= read.reshape(*read.shape, *[1] * (weight.ndim - 2))
