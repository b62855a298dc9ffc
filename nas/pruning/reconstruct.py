"""Least-squares reconstruction: a layer that lost inputs is refitted to its parent's outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nas.pruning.children import ChannelMap
from nas.pruning.quick import Tensors
from nas.pruning.subject import Layer, Subject
from nas.support.errors import NasError

RIDGE = 1e-3  # of the inputs' mean square


def reconstructed(subject: Subject, name: str, kept: Sequence[int]) -> Tensor:
    """New weights of a layer of the parent for its `kept` input channels, in the child's order.

    They are those that give the parent's outputs on the parent's inputs with the least squared
    error (He et al. 2017, arXiv 1707.06168, equation 2), drawn towards the parent's own weights so
    that few images do no harm. The shape is that of the layer's weight with fewer input channels;
    a depthwise layer, which has no sums to mend, keeps its filters. Errors: `NasError` where a
    grouped layer's groups keep different numbers of channels.
    """
    layer = subject.layers[name]
    weight = layer.core.weight.detach()
    if layer.is_depthwise:
        return weight[list(kept)].clone()
    groups, per = layer.node.groups, layer.channels
    chosen = [[i - g * per for i in kept if i // per == g] for g in range(groups)]
    if len({len(inputs) for inputs in chosen}) > 1:
        raise NasError(f"{name}: its {groups} groups keep different numbers of input channels")
    filters = layer.weight.unflatten(0, (groups, -1)).double()
    parts = [
        _fitted(partial(subject.products, name, g), filters[g], chosen[g]) for g in range(groups)
    ]
    return torch.cat(parts).to(weight.dtype).reshape(len(weight), -1, *weight.shape[2:])


@torch.no_grad()
def reconstruct(inherited: Tensors, subject: Subject, kept: ChannelMap) -> None:
    """Gives every layer of a child that lost input channels the weights of `reconstructed`, in
    place of those `inherited`.

    `kept` says what the child has of the subject, its parent. A layer that does not read whole
    channels of its parent's, or reads them in other groups, stays as it is, and so does one that is
    trained as branches.
    """
    for name, layer in subject.readers.items():
        if name not in kept:
            continue
        own = inherited[name].get(layer.node.op)
        channels = _channels(layer, kept[name].inputs)
        if channels is None or len(channels) == layer.inputs[0]:
            continue
        if own is not None:
            weight = reconstructed(subject, name, channels.tolist())[kept[name].out]
            if weight.shape == own["weight"].shape:
                own["weight"].copy_(weight)


def _channels(layer: Layer, inputs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64] | None:
    """The input channels of a layer that a child's layer reads, None where these are not whole or
    not those of the same group."""
    if layer.node.op == "linear":
        k = layer.weight.shape[2]
        whole = inputs[::k] // k
        return whole if np.array_equal(_features(whole, k), inputs) else None
    group = inputs // layer.channels
    expected = np.arange(layer.node.groups).repeat(len(inputs) // layer.node.groups)
    return inputs if np.array_equal(group, expected) else None


def _features(channels: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    return (channels[:, None] * k + np.arange(k)).ravel()


def _fitted(
    products: Callable[[list[int], list[int]], Tensor], filters: Tensor, kept: list[int]
) -> Tensor:
    """The weights (out, kept, K) for filters (out, C, K), by the sums of products of inputs."""
    lost = sorted(set(range(filters.shape[1])) - set(kept))
    if not lost:
        return filters[:, kept]
    squares = products(kept, kept)
    missing = products(kept, lost) @ filters[:, lost].flatten(1).T
    squares.diagonal().add_(RIDGE * squares.diagonal().mean().clamp(min=1e-30))
    change = torch.cholesky_solve(missing, torch.linalg.cholesky(squares))
    fitted: Tensor = filters[:, kept] + change.T.reshape(len(filters), len(kept), -1)
    return fitted
