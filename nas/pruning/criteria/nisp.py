"""Importance propagated back from the final features (NISP, Yu et al. 2018)."""

from __future__ import annotations

from contextlib import ExitStack
from copy import deepcopy
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import Tensor, nn

from nas.pruning.criteria.registry import Scores, criterion
from nas.pruning.subject import Subject
from nas.torch_layers import Add, Multiply

TINY = 1e-300


@criterion(
    "nisp",
    source="Yu et al. 2018, NISP, CVPR, arXiv 1711.05908, with Inf-FS (Roffo et al. 2015)",
    needs=["weights", "images"],
    cost="1",
    failure="absolute weights multiply with depth: compares channels of one layer only",
)
def nisp(subject: Subject) -> Scores:
    """The scores of the classifier's inputs by infinite feature selection, carried back through the
    absolute weights of all layers and summed over a channel's pixels."""
    last = list(subject.layers)[-1]
    with torch.no_grad():
        features = torch.cat([_read(subject.module, last, x)[0] for x, _ in subject.batches()])
    final = torch.from_numpy(infinite_selection(features.double().numpy()))
    linear = _absolute(subject.module)
    shifts = {
        name: torch.zeros(1, layer.node.shape[0], 1, 1, dtype=torch.float64, requires_grad=True)
        for name, layer in subject.layers.items()
        if name != last
    }
    with ExitStack() as stack:
        for name, shift in shifts.items():
            chain = linear.get_submodule(name)
            stack.callback(chain.register_forward_hook(partial(_shifted, shift)).remove)
        reached, _ = _read(linear, last, torch.zeros(1, *subject.arch.input_shape).double())
    gradients = torch.autograd.grad(reached[0] @ final, list(shifts.values()), allow_unused=True)
    scores = {name: np.zeros(layer.node.shape[0]) for name, layer in subject.layers.items()}
    for name, gradient in zip(shifts, gradients, strict=True):
        if gradient is not None:
            scores[name] = gradient.flatten().numpy()
    return scores


def infinite_selection(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Inf-FS scores (C,) of features (N, C): the paths of all lengths from each feature through a
    graph whose edges are the mean of the larger deviation and the lack of rank correlation."""
    deviation = features.std(0)
    deviation /= max(float(deviation.max()), TINY)
    ranks = rankdata(features, axis=0)
    ranks -= ranks.mean(0)
    ranks /= np.maximum(np.linalg.norm(ranks, axis=0), TINY)
    edges = (np.maximum.outer(deviation, deviation) + 1 - np.abs(ranks.T @ ranks)) / 2
    largest = max(float(np.abs(np.linalg.eigvalsh(edges)).max()), TINY)
    identity = np.eye(len(edges))
    paths = np.linalg.inv(identity - 0.9 / largest * edges) - identity
    return np.asarray(paths.sum(1))


def _absolute(module: nn.Module) -> nn.Module:
    """A linear copy in float64: absolute weights, no biases, norms that only scale, no activations,
    means for maxima, sums for gated products."""
    copy = deepcopy(module).double().requires_grad_(False)
    for parent in list(copy.modules()):
        if isinstance(parent, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            parent.weight.abs_()
            if parent.bias is not None:
                parent.bias.zero_()
        for name, child in list(parent.named_children()):
            if name == "act":
                setattr(parent, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                window = (child.kernel_size, child.stride, child.padding, child.ceil_mode)
                setattr(parent, name, nn.AvgPool2d(*window))
            elif isinstance(child, Multiply):
                setattr(parent, name, Add())
    return copy


def _read(module: nn.Module, name: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer of the module reads, flattened (n, features), and the module's output."""
    found: list[Tensor] = []
    chain = module.get_submodule(name)
    with chain.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0])):
        output: Tensor = module(images)
    return found[0].flatten(1), output


def _shifted(shift: Tensor, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return output + shift
