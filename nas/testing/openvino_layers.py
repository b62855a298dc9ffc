"""What OpenVINO executes of a network, beside the kernels of the lowering `openvino`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from nas.architecture import Architecture
from nas.latency.lowering.rows import network_kernels
from nas.latency.runtimes import Layer

# What OpenVINO calls the operations of our kernels.
OPERATIONS = {
    "Convolution": ("conv", "pointwise", "depthwise", "grouped"),
    "Subgraph": ("add", "multiply", "norm"),
    "Math": ("activate",),
    "Concatenation": ("concat",),
    "Split": ("split",),
    "StridedSlice": ("slice",),
    "Pooling": ("maxpool", "avgpool"),
    "Reduce": ("gap",),
    "FullyConnected": ("linear",),
    "ShuffleChannels": ("shuffle",),
}
MOVES = ("Reorder", "Reshape")  # which the lowering does not have


class Difference(NamedTuple):
    """A kind of layer, by OpenVINO's name or ours, and how many it executes and we say."""

    kind: str
    executed: int
    ours: int


def differences(arch: Architecture, layers: Sequence[Layer]) -> list[Difference]:
    """The kinds of which OpenVINO executes another number than the lowering says, without moves."""
    executed = Counter(layer.operation for layer in layers)
    ours = Counter(str(kernel.op) for kernel in network_kernels(arch, "openvino"))
    found = [
        Difference(kind, executed.pop(kind, 0), sum(ours.pop(op, 0) for op in ops))
        for kind, ops in OPERATIONS.items()
    ]
    found += [Difference(kind, n, 0) for kind, n in executed.items() if kind not in MOVES]
    found += [Difference(op, 0, n) for op, n in ours.items()]
    return [each for each in found if each.executed != each.ours]
