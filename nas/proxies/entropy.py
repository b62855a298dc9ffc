"""Network entropy with effectiveness (DeepMAD, Shen et al. 2023): analytic, no forward pass."""

from __future__ import annotations

from math import exp, log

from nas.graph import Graph, Shape
from nas.proxies.registry import Probe, proxy

MAX_DEPTH_TO_WIDTH = 0.5


@proxy("entropy", paper="Shen et al. 2023, arXiv 2303.02165")
def entropy(probe: Probe) -> float:
    """log(r² c) · Σ log w over the layers of the main path, w = c_in · k² / groups.

    r and c are the size and channels of the last feature map. The paper bounds the ratio of depth
    to mean width (its effectiveness, here by 0.5); beyond the bound we scale the entropy down by
    bound/ratio, so that depth alone cannot raise the score.
    """
    log_widths, (c, h, w) = _main_path(probe.graph)
    if not log_widths:
        return 0.0
    ratio = len(log_widths) / exp(sum(log_widths) / len(log_widths))
    return log(h * w * c) * sum(log_widths) * min(1.0, MAX_DEPTH_TO_WIDTH / ratio)


def _main_path(graph: Graph) -> tuple[list[float], Shape]:
    """log w of the convolutions on the widest path to the last feature map, and its shape."""
    paths: list[tuple[float, tuple[float, ...]]] = []
    for node in graph.nodes:
        inputs = node.inputs[:1] if node.op == "multiply" else node.inputs
        total, path = max((paths[i] for i in inputs), default=(0.0, ()))
        if node.op == "conv":
            c_in = graph.nodes[node.inputs[0]].shape[0]
            log_width = log(c_in // node.groups * node.kernel[0] * node.kernel[1])
            total, path = total + log_width, (*path, log_width)
        paths.append((total, path))
    pooled = (node.inputs[0] for node in reversed(graph.nodes) if node.op == "gap")
    end = next(pooled, graph.output)
    return list(paths[end][1]), graph.nodes[end].shape
