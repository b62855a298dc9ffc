"""Network entropy with effectiveness (DeepMAD, Shen et al. 2023): analytic, no forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, prod

from nas.proxies.layers import CONV, MULTIPLY, Layer
from nas.proxies.probe import Probe
from nas.proxies.registry import UndefinedScore, proxy

MAX_DEPTH_TO_WIDTH = 0.5


@proxy(
    "entropy",
    paper="Shen et al. 2023 (DeepMAD), arXiv 2303.02165",
    cost="none",
    failure="knows widths and depth only: equal for cells that differ in their operations",
)
def entropy(probe: Probe) -> float:
    """log(r² c) · Σ log w over the layers of the main path, w = c_in · k² / groups.

    r and c are the size and channels of the last feature map. The paper bounds the ratio of depth
    to mean width (its effectiveness), here by 0.5. Beyond the bound the entropy is scaled down by
    bound/ratio, so that depth alone cannot raise the score.
    """
    log_widths, shape = _main_path(probe.layers)
    if not log_widths:
        return 0.0
    ratio = len(log_widths) / exp(sum(log_widths) / len(log_widths))
    return log(prod(shape)) * sum(log_widths) * min(1.0, MAX_DEPTH_TO_WIDTH / ratio)


def _main_path(layers: Sequence[Layer]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The log w of each convolution on the widest path to the last feature map, and its shape."""
    paths: list[tuple[float, tuple[float, ...]]] = []
    for layer in layers:
        inputs = layer.inputs
        if layer.op == MULTIPLY:  # the gate is no path
            inputs = tuple(i for i in inputs if layers[i].shape == layer.shape)[:1] or inputs
        total, path = max((paths[i] for i in inputs), default=(0.0, ()))
        if layer.op == CONV:
            log_width = log(max(1, layer.weight[1] * layer.weight[2] * layer.weight[3]))
            total, path = total + log_width, (*path, log_width)
        paths.append((total, path))
    maps = [i for i, layer in enumerate(layers) if layer.is_map]
    if not maps:
        raise UndefinedScore("the network has no feature map of more than one pixel")
    return paths[maps[-1]][1], layers[maps[-1]].shape
