"""Channels out of balance: why MobileNets lose accuracy in int8 (Nagel et al. 2019, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from nas.torch_module import Network

MOST = 100.0
Group = tuple[list[str], list[str]]  # what writes the same channels, and what reads them


def unbalance(network: Network, *, hidden: bool) -> None:
    """Multiplies channels of a network of inverted bottlenecks with ReLU by random factors between
    1 / `MOST` and `MOST`, and divides where they are read, in place: it computes the same.

    `hidden` channels are those inside a block, which one convolution writes and one reads;
    otherwise those between blocks, which are written into a sum and read by several.
    """
    state, rng = network.state_dict(), np.random.default_rng(0)
    blocks = [k.removesuffix(".expand.conv.weight") for k in state if ".expand.conv.w" in k]
    groups = _inside(blocks) if hidden else _between(blocks, state)
    for writers, readers in groups:
        factors = MOST ** rng.uniform(-1, 1, _width(writers[0], state))
        _scale(state, writers, readers, torch.from_numpy(factors).float())


def _inside(blocks: Sequence[str]) -> list[Group]:
    pairs = (("expand", "depthwise"), ("depthwise", "project"))
    return [([f"{b}.{write}"], [f"{b}.{read}"]) for b in blocks for write, read in pairs]


def _between(blocks: Sequence[str], state: Mapping[str, Tensor]) -> list[Group]:
    """A group for each number of channels: those that are added up have as many."""
    groups: list[Group] = [(["stem.0.conv"], [])]
    for block in blocks:
        groups[-1][1].append(f"{block}.expand")
        if _width(f"{block}.project", state) != _width(groups[-1][0][0], state):
            groups.append(([], []))
        groups[-1][0].append(f"{block}.project")
    groups[-1][1].append(next(k for k in state if k.endswith(".linear.weight")))
    return groups


def _width(name: str, state: Mapping[str, Tensor]) -> int:
    return len(state[f"{name}.norm.weight"])


def _scale(
    state: Mapping[str, Tensor], writers: Iterable[str], readers: Iterable[str], factors: Tensor
) -> None:
    for name in writers:
        for part in ("weight", "bias"):
            state[f"{name}.norm.{part}"].mul_(factors)
    for name in readers:
        weight = state.get(f"{name}.conv.weight", state.get(name))
        assert weight is not None
        read = factors[:, None] if weight.shape[1] == 1 else factors
        weight.div_(read.reshape(*read.shape, *[1] * (weight.ndim - 2)))
