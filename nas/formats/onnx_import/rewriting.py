"""What an exporter took apart is put together again: one node is one kernel, as in our networks.

Norms, scales, shifts and activations join the operation before them; hard-swish, SiLU and GELU,
channel shuffles and padding are recognised; transposes and reshapes that undo one another go.
Nothing changes what the network computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.formats.onnx_import.constants import Array
from nas.formats.onnx_import.draft import CONSTANT, Draft
from nas.formats.onnx_import.windows import LOWEST
from nas.graph import Graph, Node

WEIGHTED = ("conv", "deconv", "linear")
ACTIVATED = (*WEIGHTED, "add", "activate")
MOVES = ("swap", "reshape")
GATES: dict[str | None, Any] = {"hsigmoid": "hswish", "sigmoid": "silu"}


def rewritten(draft: Draft, outputs: Sequence[int]) -> tuple[Graph, dict[str, Array]]:
    """The graph of what leads to the outputs, put together, and the weights of its nodes."""
    nodes, results = list(draft.nodes), list(outputs)
    while True:
        again = _Pass(nodes, draft.weights, results)
        if again.nodes == nodes:
            break
        nodes, results = again.nodes, again.results
    nodes = [n._replace(mode="") if n.mode == CONSTANT else n for n in nodes]
    kept = {node.name for node in nodes}
    weights = {k: v for k, v in draft.weights.items() if k.rsplit(".", 2)[0] in kept}
    return Graph(tuple(nodes), results[0], tuple(results[1:])), weights


class _Pass:
    """One walk over the nodes: each is appended, or joins one before it. `at` is where a node of
    the old list is found; `alone` says of a new node that only one other reads it."""

    def __init__(
        self, nodes: list[Node], weights: dict[str, Array], outputs: Sequence[int]
    ) -> None:
        self.nodes, self.weights = [nodes[0]], weights
        live, uses = {0, *outputs}, [0] * len(nodes)
        for i in outputs:
            uses[i] += 2  # an output is itself wanted
        for i in range(len(nodes) - 1, 0, -1):
            if i in live:
                live.update(nodes[i].inputs)
                for j in nodes[i].inputs:
                    uses[j] += 1
        at, self.alone = {0: 0}, [uses[0] == 1]
        for i in sorted(live - {0}):
            at[i] = self._place(nodes[i]._replace(inputs=tuple(at[j] for j in nodes[i].inputs)))
            self.alone[at[i]] &= uses[i] == 1
        self.results = [at[i] for i in outputs]

    def _append(self, node: Node) -> int:
        self.nodes.append(node)
        self.alone.append(True)
        return len(self.nodes) - 1

    def _place(self, node: Node) -> int:
        """Where the node's output is found in the new list."""
        before = node.inputs[0]
        made: int | None = None
        match node.op:
            case "activate" if node.norm and node.act is None:
                made = self._scale(node, before)
            case "activate" if not node.norm and node.act is not None:
                made = self._act(node, before)
            case "multiply":
                made = self._gated(node)
            case "swap" | "reshape":
                made = self._move(node, before)
            case "conv" | "maxpool" | "avgpool":
                made = self._padded(node, before)
        return self._append(node) if made is None else made

    def _act(self, node: Node, at: int) -> int | None:
        before = self.nodes[at]
        if before.op in ACTIVATED and before.act is None and self.alone[at]:
            self.nodes[at] = before._replace(act=node.act, slope=node.slope)
            return at
        if before.op in MOVES and self.alone[at]:  # moves behind, to what it may join
            x = before.inputs[0]
            first = node._replace(inputs=(x,), shape=self.nodes[x].shape)
            self.nodes[at] = first
            return self._append(before._replace(inputs=(at,)))
        return None

    def _terms(self, node: Node) -> tuple[Array, Array]:
        """The scale and the shift of a norm that is the file's own arithmetic."""
        return tuple(self.weights[f"{node.name}.norm.{k}"] for k in ("weight", "bias"))  # type: ignore[return-value]

    def _is(self, at: int, scale: float, shift: float, act: str | None = None) -> bool:
        """Whether a node is a scale and a shift by these two numbers, and this activation."""
        node = self.nodes[at]
        if node.op != "activate" or node.mode != CONSTANT or node.act != act:
            return False
        found = self._terms(node)
        return all(
            np.allclose(t, v, 1e-4, 1e-7) for t, v in zip(found, (scale, shift), strict=True)
        )

    def _scale(self, node: Node, at: int) -> int | None:
        before, constant = self.nodes[at], node.mode == CONSTANT
        scale, shift = self._terms(node)
        if constant and not shift.any() and (scale == 1).all():
            return at
        if constant and not shift.any() and not np.ptp(scale):
            whole = self._whole(node, at, float(scale[0]))
            if whole is not None:
                return whole
            sixth = np.isclose(scale[0], 1 / 6, 1e-3) and before.act == "relu6"
            if sixth and before.op in WEIGHTED and not before.norm and self.alone[at]:
                self._fold(before, np.ones_like(scale), np.full_like(shift, -3))  # a hard sigmoid
                self.nodes[at] = before._replace(act="hsigmoid", bias=True)
                return at
        if before.act is not None or not self.alone[at]:
            return None
        if before.norm:
            if constant:
                name = f"{before.name}.norm"
                self.weights[f"{name}.weight"] = self.weights[f"{name}.weight"] * scale
                self.weights[f"{name}.bias"] = self.weights[f"{name}.bias"] * scale + shift
                return at
            return None
        if before.op in WEIGHTED and constant:
            self._fold(before, scale, shift)
            self.nodes[at] = before._replace(bias=before.bias or bool(shift.any()))
            return at
        if before.op in ("conv", "deconv"):
            for key in ("weight", "bias", "running_mean", "running_var"):
                self.weights[f"{before.name}.norm.{key}"] = self.weights[f"{node.name}.norm.{key}"]
            self.nodes[at] = before._replace(norm=True)
            return at
        if before.op == "linear":
            mean, var = (
                self.weights[f"{node.name}.norm.running_{k}"].astype(np.float64)
                for k in ("mean", "var")
            )
            each = scale / np.sqrt(var + 1e-5)
            self._fold(before, each, shift - mean * each)
            self.nodes[at] = before._replace(bias=True)
            return at
        return None

    def _fold(self, node: Node, scale: Array, shift: Array) -> None:
        """Scales and shifts what a convolution or a linear layer computes."""
        name = f"{node.name}.{'linear' if node.op == 'linear' else 'conv'}"
        weight = self.weights[f"{name}.weight"]
        if node.op == "deconv":
            each = weight.reshape(node.groups, -1, *weight.shape[1:])
            scaled = each * scale.reshape(node.groups, 1, -1, 1, 1)
        else:
            scaled = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        self.weights[f"{name}.weight"] = scaled.reshape(weight.shape).astype(np.float32)
        if node.bias or shift.any():
            bias = self.weights.get(f"{name}.bias", np.float32(0))
            self.weights[f"{name}.bias"] = (bias * scale + shift).astype(np.float32)

    def _whole(self, node: Node, at: int, scale: float) -> int | None:
        """A hard-sigmoid, a hard-swish or a GELU that ends with this scale."""
        before = self.nodes[at]
        if np.isclose(scale, 1 / 6, 1e-3) and self._is(at, 1, 3, "relu6"):
            x = before.inputs[0]
            return self._append(Node("activate", node.name, (x,), node.shape, act="hsigmoid"))
        if before.op != "multiply":
            return None
        for x, gate in (before.inputs, before.inputs[::-1]):
            wanted: Any = None
            six = np.isclose(scale, 1 / 6, 1e-3) and self._is(gate, 1, 3, "relu6")
            if six and self.nodes[gate].inputs == (x,):
                wanted = "hswish"
            elif np.isclose(self._erf(x, gate) * scale, 0.5, 1e-3):
                wanted, x = "gelu", self._plain(x)[0]
            if wanted:
                return self._append(Node("activate", node.name, (x,), node.shape, act=wanted))
        return None

    def _gated(self, node: Node) -> int | None:
        """A tensor times an activation of itself."""
        for x, at in (node.inputs, node.inputs[::-1]):
            gate = self.nodes[at]
            act = GATES.get(gate.act) if gate.op == "activate" and not gate.norm else None
            if act and gate.inputs == (x,):
                return self._append(Node("activate", node.name, (x,), node.shape, act=act))
            if np.isclose(self._erf(x, at), 0.5, 1e-3):
                x = self._plain(x)[0]
                return self._append(Node("activate", node.name, (x,), node.shape, act="gelu"))
        return None

    def _plain(self, at: int) -> tuple[int, float]:
        """A tensor without the number that it is multiplied by, and the number."""
        node = self.nodes[at]
        if node.op == "activate" and node.mode == CONSTANT and node.act is None:
            scale, shift = self._terms(node)
            if not shift.any() and not np.ptp(scale):
                return node.inputs[0], float(scale[0])
        return at, 1.0

    def _erf(self, at: int, gate: int) -> float:
        """By what x * (1 + erf(x / √2)) is multiplied in a product of two nodes; 0 for another
        product."""
        x, factor = self._plain(at)
        outer = self.nodes[gate]
        if outer.op != "activate" or outer.mode != CONSTANT or outer.act is not None:
            return 0.0
        scale, shift = self._terms(outer)
        erf = self.nodes[outer.inputs[0]]
        same = not np.ptp(scale) and np.allclose(scale, shift)
        if not same or erf.mode != "Erf" or not self._is(erf.inputs[0], 0.5**0.5, 0):
            return 0.0
        if self.nodes[erf.inputs[0]].inputs != (x,):
            return 0.0
        return factor * float(scale[0])

    def _move(self, node: Node, at: int) -> int | None:
        before = self.nodes[at]
        if node.op == "swap":
            undone = before.op == "swap" and before.start == node.start
            return self._behind(at) if undone else None
        if node.shape == before.shape:
            return at
        if before.op == "reshape":
            x = self._behind(at)
            if self.nodes[x].shape == node.shape:
                return x
            return self._append(node._replace(inputs=(x,)))
        if before.op == "swap" and before.start == 0:
            first = self.nodes[before.inputs[0]]
            if first.op == "reshape" and self.nodes[first.inputs[0]].shape == node.shape:
                c, h, w = node.shape
                groups, each, area = first.shape
                if groups * each == c and area == h * w:
                    return self._append(
                        node._replace(op="shuffle", inputs=first.inputs, groups=groups)
                    )
        return None

    def _behind(self, at: int) -> int:
        """What a move reads, to be read in its place; others may read the move."""
        x = self.nodes[at].inputs[0]
        self.alone[x] &= self.alone[at]
        return x

    def _padded(self, node: Node, at: int) -> int | None:
        """An operation that pads its input itself."""
        pad = self.nodes[at]
        if pad.op != "pad" or not self.alone[at]:
            return None
        top, left, bottom, right = pads = [a + b for a, b in zip(node.pads, pad.pads, strict=True)]
        if node.op == "maxpool" and pad.mode == "edge":
            # Each window has the border itself in it where it has copies of it.
            inside = all(p < k for p, k in zip(pads, 2 * node.kernel, strict=True))
            if not inside or node.dilation != (1, 1):
                return None
        elif pad.mode or (pad.fill > LOWEST if node.op == "maxpool" else pad.fill != 0):
            return None
        if node.op == "avgpool" and (any(node.pads) or node.ceil or not node.counted):
            return None
        if node.op == "maxpool" and node.ceil:
            return None
        before, after = (top, left), (bottom, right)
        most = all(2 * p <= k for p, k in zip(before, node.kernel, strict=True))
        plain = before == after and (node.op == "conv" or most)
        own = node._replace(inputs=pad.inputs, padding=before, after=None if plain else after)
        return self._append(own)
