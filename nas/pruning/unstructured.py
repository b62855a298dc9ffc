"""Unstructured pruning: single weights become zero, anywhere or n of every m.

    magnitude  |w| over the layer's standard deviation (Han et al. 2015, arXiv 1506.02626)
    obd        half h w², h the diagonal of the Fisher matrix (LeCun et al. 1990)
    obs        the least rise of the layer's squared error, the other weights making up for it
               (Hassibi and Stork 1993; by layer and block as OBC, Frantar and Alistarh 2022)
    variance   the least variance of w times its input; the mean goes into the bias

Depthwise layers, which have few weights, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nas.pruning.subject import Layer, Subject
from nas.support.errors import NasError, one_of
from nas.support.plain_torch import plain_torch
from nas.support.text import whole_number
from nas.torch_module import Network

IMAGES, BLOCK, DAMPING = 128, 32, 1e-2
Pattern = tuple[int, int]  # (n, m): n weights of every m consecutive input channels are kept
Weights = dict[str, Tensor]  # by layer: (out, in / groups, K), as `Layer.weight`


class Sparse(NamedTuple):
    """A network with zeros among its weights, and where: true for a weight that is kept."""

    module: Network
    masks: Weights

    @property
    def sparsity(self) -> float:
        """The share of zeros among the weights of the layers that were pruned."""
        kept = sum(int(mask.sum()) for mask in self.masks.values())
        return 1 - kept / sum(mask.numel() for mask in self.masks.values())


def check_choices(method: str, sparsity: float, pattern: Pattern | None) -> None:
    """Errors: `NasError` for an unknown method or a share or pattern that cannot be."""
    if method not in METHODS:
        raise one_of("unstructured method", method, METHODS)
    if pattern is None and not 0 < sparsity < 1:
        raise NasError(f"sparsity {sparsity} must be above 0 and below 1")
    if pattern is not None and not 0 < pattern[0] < pattern[1] <= BLOCK:
        raise NasError(f"pattern {pattern[0]}:{pattern[1]} must keep 1 to m - 1 of m, m to {BLOCK}")


@plain_torch()
def sparsified(
    subject: Subject, method: str, sparsity: float = 0.5, pattern: Pattern | None = None
) -> Sparse:
    """A copy of the subject's network with the given share of its weights set to zero, or all but
    n of every m along the input channels of a filter (2:4 is what NVIDIA's sparse cores take).

    Without a pattern `obs` removes the same share of each block of a row, the others compare all
    layers' weights. Errors: those of `check_choices`.
    """
    check_choices(method, sparsity, pattern)
    module = deepcopy(subject.module)
    if method == "obs":
        weights, masks = _obs(subject, sparsity, pattern)
    else:
        scores = METHODS[method](subject)
        masks = _everywhere(scores, sparsity) if pattern is None else _of_every(scores, pattern)
        weights = {name: subject.readers[name].weight * mask for name, mask in masks.items()}
    with torch.no_grad():
        for name, weight in weights.items():
            core = module.get_submodule(f"{name}.{subject.readers[name].node.op}")
            assert isinstance(core, nn.Conv2d | nn.Linear)
            core.weight.copy_(weight.reshape(core.weight.shape))
            if method == "variance":
                _keep_means(subject, name, module, masks[name])
    return Sparse(module, masks)


def parsed_pattern(text: str) -> Pattern:
    """The pattern that a text such as "2:4" means. Errors: `NasError`."""
    n, m = (whole_number(part) for part in text.partition(":")[::2])
    if n is None or m is None or n >= m:
        raise NasError(f"pattern {text!r:.40} must be n:m, n of every m weights kept, such as 2:4")
    return n, m


def _magnitude(subject: Subject) -> Weights:
    weights = {name: layer.weight for name, layer in subject.readers.items()}
    return {k: w.abs() / w.std(correction=0).clamp(min=1e-30) for k, w in weights.items()}


def _obd(subject: Subject) -> Weights:
    weights = {name: layer.core.weight for name, layer in subject.readers.items()}
    squares = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    images, labels = subject.images[:IMAGES], subject.labels[:IMAGES]
    for image, label in zip(images.split(1), labels.split(1), strict=True):
        loss = functional.cross_entropy(subject.module(image), label)
        for square, g in zip(
            squares.values(), torch.autograd.grad(loss, list(weights.values())), strict=True
        ):
            square.add_(g.square() / (2 * len(images)))
    return {
        name: (square * weights[name].detach().square()).reshape(subject.readers[name].weight.shape)
        for name, square in squares.items()
    }


def _variance(subject: Subject) -> Weights:
    scores = {}
    for name, layer in subject.readers.items():
        spread = _by_filter(layer, subject.patches[name].var(0, correction=0))
        contribution = layer.weight.square() * spread
        scores[name] = contribution / contribution.sum((1, 2)).mean().clamp(min=1e-30)
    return scores


METHODS: Mapping[str, Callable[[Subject], Weights]] = {
    "magnitude": _magnitude,
    "obd": _obd,
    "obs": lambda subject: {},  # chooses and mends in one
    "variance": _variance,
}


def _by_filter(layer: Layer, inputs: Tensor) -> Tensor:
    """Values of the inputs (C, K) as each filter reads them: (out or 1, C / groups, K)."""
    groups = layer.node.groups
    each = inputs.unflatten(0, (groups, -1))
    return torch.repeat_interleave(each, len(layer.weight) // groups, dim=0)


def _keep_means(subject: Subject, name: str, module: Network, mask: Tensor) -> None:
    """Adds what the removed weights gave on average to the bias, or takes it off the norm's mean,
    which the layer's outputs are compared with."""
    layer = subject.readers[name]
    means = _by_filter(layer, subject.patches[name].mean(0))
    lost = (layer.weight * ~mask.bool() * means).sum((1, 2))
    chain = module.get_submodule(name)
    core, norm = chain.get_submodule(layer.node.op), getattr(chain, "norm", None)
    if norm is not None:
        norm.running_mean.sub_(lost)
    elif isinstance(core.bias, Tensor):
        core.bias.add_(lost)


def _everywhere(scores: Weights, sparsity: float) -> Weights:
    """Keeps the highest of all scores."""
    every = torch.cat([score.flatten() for score in scores.values()])
    lost = round(sparsity * len(every))
    kept = torch.ones(len(every), dtype=torch.bool)
    kept[every.argsort(stable=True)[:lost]] = False
    parts = kept.split([score.numel() for score in scores.values()])
    return {k: m.view_as(scores[k]) for k, m in zip(scores, parts, strict=True)}


def _of_every(scores: Weights, pattern: Pattern) -> Weights:
    """Keeps the n highest of every m consecutive input channels; a rest of fewer than m stays."""
    n, m = pattern
    masks = {}
    for name, score in scores.items():
        kept = torch.ones(score.shape, dtype=torch.bool)
        whole = score.shape[1] // m * m
        groups = score[:, :whole].mT.unflatten(-1, (-1, m))
        order = groups.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
        kept[:, :whole] = (order < n).flatten(-2).mT
        masks[name] = kept
    return masks


def _obs(subject: Subject, sparsity: float, pattern: Pattern | None) -> tuple[Weights, Weights]:
    weights, masks = {}, {}
    for name, layer in subject.readers.items():
        groups, (out, channels, k) = layer.node.groups, layer.weight.shape
        # Input channels run fastest, so that n:m is along them.
        rows = layer.weight.mT.reshape(groups, out // groups, -1).double()
        reads = subject.patches[name].unflatten(1, (groups, -1)).mT.flatten(2).double()
        chunks = _chunks(channels, k, sparsity, pattern)
        parts = [_mended(rows[g], reads[:, g], chunks) for g in range(groups)]
        weight, kept = (torch.cat(p).unflatten(1, (k, -1)).mT for p in zip(*parts, strict=True))
        weights[name], masks[name] = weight.float(), kept
    return weights, masks


class _Chunk(NamedTuple):
    """Inputs `start` to `stop` of a row: the `group` of each and how many each group loses."""

    start: int
    stop: int
    group: Tensor
    lost: Tensor


def _chunks(channels: int, k: int, sparsity: float, pattern: Pattern | None) -> list[_Chunk]:
    chunks = []
    if pattern is None:
        for start in range(0, channels * k, BLOCK):
            width = min(BLOCK, channels * k - start)
            group, lost = torch.zeros(width).long(), torch.tensor([round(sparsity * width)])
            chunks.append(_Chunk(start, start + width, group, lost))
        return chunks
    n, m = pattern
    size = BLOCK // m * m
    for first in range(0, channels * k, channels):
        for start in range(first, first + channels // m * m, size):
            stop = min(start + size, first + channels // m * m)
            group = torch.arange(stop - start) // m
            chunks.append(_Chunk(start, stop, group, torch.full(((stop - start) // m,), m - n)))
    return chunks


def _mended(rows: Tensor, reads: Tensor, chunks: list[_Chunk]) -> tuple[Tensor, Tensor]:
    """Rows (out, D) with weights removed, and which are kept. In each chunk one by one goes the
    weight that adds least to the squared error on the inputs (S, D), once its chunk's others make
    up for it: w² over twice the diagonal of the inverse Hessian."""
    rows, kept = rows.clone(), torch.ones(rows.shape, dtype=torch.bool)
    every = torch.arange(len(rows))
    for start, stop, group, lost in chunks:
        inputs = reads[:, start:stop]
        hessian = inputs.T @ inputs / len(inputs)
        hessian.diagonal().add_(DAMPING * hessian.diagonal().mean().clamp(min=1e-12))
        inverse = torch.linalg.inv(hessian).expand(len(rows), -1, -1).clone()
        row, stay = rows[:, start:stop], kept[:, start:stop]
        left = lost.expand(len(rows), -1).clone()
        for _ in range(int(lost.sum())):
            diagonal = inverse.diagonal(dim1=1, dim2=2).clamp(min=1e-30)
            rise = row.square() / diagonal
            q = rise.masked_fill(~stay | (left[:, group] == 0), torch.inf).argmin(1)
            column = inverse[every, :, q]
            pivot = column[every, q].clamp(min=1e-30)
            row -= (row[every, q] / pivot)[:, None] * column
            inverse -= column[:, :, None] * (column / pivot[:, None])[:, None, :]
            stay[every, q] = False
            left[every, group[q]] -= 1
            row *= stay
    return rows, kept
