"""Graph to ncnn, written directly: `.param` is text, `.bin` the weights one after the other.

A line of `.param` is a layer: type, name, numbers of inputs and outputs, their names, then its
parameters by number. A tensor has one reader; where a network has more, a `Split` layer is between.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, assert_never

from nas.formats.folding import State, folded
from nas.graph import Act, Graph, Node
from nas.support.errors import NasError
from nas.support.files import write_whole

MAGIC = 7767517
# Activations of a convolution or a linear layer: the type, and its parameters.
FUSED: Mapping[Act | None, str] = {
    None: "",
    "relu": "9=1",
    "relu6": "9=3 -23310=2,0.0,6.0",
    "sigmoid": "9=4",
    "hswish": f"9=6 -23310=2,{1 / 6:.9g},0.5",
}
ALONE: Mapping[Act, tuple[str, str]] = {
    "relu": ("ReLU", ""),
    "relu6": ("Clip", "0=0.0 1=6.0"),
    "sigmoid": ("Sigmoid", ""),
    "hsigmoid": ("HardSigmoid", f"0={1 / 6:.9g} 1=0.5"),
    "hswish": ("HardSwish", f"0={1 / 6:.9g} 1=0.5"),
    "silu": ("Swish", ""),
    "gelu": ("GELU", ""),
    "tanh": ("TanH", ""),
    "leaky_relu": ("ReLU", "0=0.01"),
}
FLOAT32 = bytes(4)  # what stands before weights that are stored as they are
FLAT = (
    "multiply",
    "linear",
)  # beside a 1x1 convolution, what takes a vector for a map of one pixel


class NcnnModel(NamedTuple):
    """The contents of the two files."""

    param: str
    bin: bytes


def to_ncnn(graph: Graph, state: State | None = None) -> NcnnModel:
    """An ncnn model: input `image`, output `logits`.

    `state` holds arrays under torch's parameter names; without it the weights are random.
    """
    graph, weights = folded(graph, state)
    writer = _Writer(graph, weights)
    for i in range(1, len(graph.nodes)):
        writer.node(i)
    flat = writer.take(graph.output)
    writer.layer("Flatten", "logits", [flat], ["logits"])
    return NcnnModel(writer.param(), b"".join(writer.weights))


def write_ncnn(path: Path, graph: Graph, state: State | None = None) -> None:
    """Writes a model as `path`, which ends in `.param`, and its weights as a `.bin` beside it."""
    model = to_ncnn(graph, state)
    write_whole(path.with_suffix(".bin"), model.bin)
    write_whole(path, model.param)


class _Writer:
    """`ready[i]` are the names of node i's tensor that its readers are still to take."""

    def __init__(self, graph: Graph, state: State) -> None:
        self.graph, self.state = graph, state
        self.lines: list[str] = []
        self.weights: list[bytes] = []
        self.tensors = 0
        self.readers: list[list[int]] = [[] for _ in graph.nodes]
        for i, node in enumerate(graph.nodes):
            for j in node.inputs:
                self.readers[j].append(i)
        self.split = _split(graph, self.readers)
        self.ready: list[list[str]] = [[] for _ in graph.nodes]
        self.flat: set[int] = set()  # the nodes whose tensors are vectors
        c, h, w = graph.input_shape
        self.layer("Input", "image", [], ["image"], f"0={w} 1={h} 2={c}")
        self._made(0, "image")

    def param(self) -> str:
        """The text of the `.param` file."""
        return "\n".join([str(MAGIC), f"{len(self.lines)} {self.tensors}", *self.lines, ""])

    def layer(
        self, kind: str, name: str, inputs: list[str], outputs: list[str], parameters: str = ""
    ) -> str:
        """Writes a layer; returns its first output."""
        self.tensors += len(outputs)
        words = [f"{kind:<24} {name:<24} {len(inputs)} {len(outputs)}", *inputs, *outputs]
        self.lines.append(" ".join([*words, parameters]).rstrip())
        return outputs[0]

    def take(self, i: int) -> str:
        """A name of node i's tensor for one reader."""
        return self.ready[i].pop()

    def _made(self, i: int, tensor: str) -> None:
        """Has node i's tensor ready for all that read it."""
        uses = len(self.readers[i]) + (i == self.graph.output)
        if uses > 1 and i not in self.split:
            copies = [f"{tensor}.{n}" for n in range(uses)]
            self.layer("Split", f"{tensor}.split", [tensor], copies)
            self.ready[i] = copies
        else:
            self.ready[i] = [tensor]

    def node(self, i: int) -> None:
        """Writes one graph node with its activation."""
        node = self.graph.nodes[i]
        source = node.inputs[0]
        if source in self.split:
            if i == self.split[source][0]:
                self._slice_all(source)
            return
        inputs = [self.take(j) for j in node.inputs]
        fused = node.op in ("conv", "linear") and node.act in FUSED
        core = node.name if fused or node.act is None else f"{node.name}.{node.op}"
        x = self._core(i, node, inputs, core)
        if not fused and node.act is not None:
            kind, parameters = ALONE[node.act]
            x = self.layer(kind, node.name, [x], [node.name], parameters)
        self._made(i, x)

    def _core(self, i: int, node: Node, inputs: list[str], name: str) -> str:
        c, h, w = node.shape
        match node.op:
            case "conv" | "linear":
                if node.inputs[0] in self.flat:
                    self.flat.add(i)
                return self._weighted(node, inputs, name, dense=i in self.flat)
            case "maxpool" | "avgpool":
                return self._pool(node, inputs, name)
            case "gap":
                if self._may_be_flat(i):
                    self.flat.add(i)
                    return self.layer("Pooling", name, inputs, [name], "0=1 4=1")
                x = self.layer("Pooling", f"{name}.flat", inputs, [f"{name}.flat"], "0=1 4=1")
                return self.layer("Reshape", name, [x], [name], f"0=1 1=1 2={c}")
            case "add":
                x = inputs[0]
                for n, other in enumerate(inputs[1:], 2):
                    made = name if n == len(inputs) else f"{name}.{n}"
                    x = self.layer("BinaryOp", made, [x, other], [made], "0=0")
                return x
            case "multiply":
                return self.layer("BinaryOp", name, inputs, [name], "0=2")
            case "zero":
                return self.layer("BinaryOp", name, inputs, [name], "0=2 1=1 2=0.0")
            case "concat" | "concat_rows":
                axis = 0 if node.op == "concat" else 1
                return self.layer("Concat", name, inputs, [name], f"0={axis}")
            case "slice" | "slice_rows":
                offset = f"1={node.start}" if node.op == "slice_rows" else f"2={node.start}"
                return self.layer("Crop", name, inputs, [name], f"{offset} 3={w} 4={h} 5={c}")
            case "swap":
                order = 2 if node.start == 0 else 1
                return self.layer("Permute", name, inputs, [name], f"0={order}")
            case "shuffle":
                return self.layer("ShuffleChannel", name, inputs, [name], f"0={node.groups}")
            case "activate":
                return inputs[0]
            case "input":
                raise AssertionError("a graph's input is written first")
            case ("deconv" | "pad" | "resize" | "reshape" | "softmax" | "layer_norm"
                  | "group_norm" | "matmul" | "divide" | "unread") as op:  # fmt: skip
                raise NasError(f"{node.name}: {op} cannot be written for ncnn")
            case op:
                assert_never(op)

    def _may_be_flat(self, i: int) -> bool:
        """Whether all that reads a 1x1 map takes a vector, and so on behind a convolution."""
        for j in self.readers[i]:
            node = self.graph.nodes[j]
            dense = node.op == "conv" and node.kernel == (1, 1) and node.groups == 1
            if node.op not in FLAT and not (dense and self._may_be_flat(j)):
                return False
        return True

    def _weighted(self, node: Node, inputs: list[str], name: str, *, dense: bool) -> str:
        weight = self.state[f"{node.name}.{node.op}.weight"]
        self.weights += [FLOAT32, weight.astype("<f4").tobytes()]
        words = [f"0={node.shape[0]}"]
        if node.bias:
            self.weights.append(self.state[f"{node.name}.{node.op}.bias"].astype("<f4").tobytes())
        if node.op == "linear" or dense:
            words += [f"1={int(node.bias)}", f"2={weight.size}"]
        else:
            (kh, kw), (ph, pw) = node.kernel, node.padding
            words += [f"1={kw} 11={kh} 3={node.stride} 13={node.stride}"]
            words += [f"4={pw} 14={ph} 5={int(node.bias)} 6={weight.size}"]
            words += [f"7={node.groups}"] * (node.groups > 1)
        words.append(FUSED.get(node.act, ""))
        kind = "ConvolutionDepthWise" if node.groups > 1 else "Convolution"
        kind = "InnerProduct" if node.op == "linear" or dense else kind
        return self.layer(kind, name, inputs, [name], " ".join(words))

    def _pool(self, node: Node, inputs: list[str], name: str) -> str:
        (kh, kw), (ph, pw) = node.kernel, node.padding
        size = f"1={kw} 11={kh} 2={node.stride} 12={node.stride} 3={pw} 13={ph}"
        # Mode 0 rounds the size of the output up, 1 down.
        kind = f"0={int(node.op == 'avgpool')} 5={int(not node.ceil)} 6=1"
        return self.layer("Pooling", name, inputs, [name], f"{kind} {size}")

    def _slice_all(self, source: int) -> None:
        """Writes all slices of a tensor as one layer."""
        parts = [self.graph.nodes[i] for i in self.split[source]]
        axis, names = int(parts[0].op == "slice_rows"), [part.name for part in parts]
        sizes = ",".join(str(part.shape[axis]) for part in parts)
        parameters = f"-23300={len(parts)},{sizes} 1={axis}"
        self.layer("Slice", f"{names[0]}.all", [self.take(source)], names, parameters)
        for i, name in zip(self.split[source], names, strict=True):
            self._made(i, name)


def _split(graph: Graph, readers: list[list[int]]) -> dict[int, list[int]]:
    """The tensors whose readers are slices that are all of them together, with these readers."""
    found = {}
    for source, parts in enumerate(readers):
        slices = [graph.nodes[i] for i in parts]
        ops = {node.op for node in slices}
        if len(parts) < 2 or source == graph.output or len(ops) > 1:
            continue
        if not ops <= {"slice", "slice_rows"} or any(node.act for node in slices):
            continue
        axis = int(ops == {"slice_rows"})
        ends = [0, *(node.start + node.shape[axis] for node in slices)]
        follows = [node.start for node in slices] == ends[:-1]
        if follows and ends[-1] == graph.nodes[source].shape[axis]:
            found[source] = parts
    return found
