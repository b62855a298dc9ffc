"""ONNX networks of other programs, read into the one graph.

What torch's exporters, tf2onnx, Keras, timm, ultralytics and Paddle write for convolutional
networks becomes nodes as blocks write them, with their weights under torch's names. An operation
that the graph has nothing for is kept as a node of its shape, named and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from nas.formats.onnx_import import activations, cuts, products, windows  # noqa: F401 (their readers)
from nas.formats.onnx_import.constants import (
    MOST_VALUES,
    Array,
    Dims,
    Value,
    array_of,
    attributes_of,
    described,
    evaluated,
    inferred,
    operation,
    single,
)
from nas.formats.onnx_import.draft import Draft
from nas.formats.onnx_import.layer_norms import Parts, normalised
from nas.formats.onnx_import.loading import DOMAINS, load
from nas.formats.onnx_import.operations import READERS, Made, Operation
from nas.formats.onnx_import.rewriting import rewritten
from nas.imported import ImportedNetwork
from nas.support.errors import NasError, one_line, shown
from nas.support.files import given_path

Size = tuple[int, int]
MOST_CHANNELS = 4  # of an image, as its last dimension


def read_onnx(path: str | Path, size: Size | None = None) -> ImportedNetwork:
    """The network of an ONNX file that any program wrote. `size` is the height and width of its
    input where the file leaves them open. Errors: `NasError` with the file and what is wrong."""
    path = given_path(path, "a network's file")
    model, opset = load(path)
    try:
        return _network(model, opset, size, path.name)
    except NasError as error:
        raise NasError(f"{path}: {error}") from None


def _network(model: onnx.ModelProto, opset: int, size: Size | None, name: str) -> ImportedNetwork:
    graph = model.graph
    values: dict[str, Value | Array] = {t.name: array_of(t) for t in graph.initializer}
    images = [x for x in graph.input if x.name not in values]
    if len(images) != 1:
        names = ", ".join(x.name for x in images)
        raise NasError(f"{len(images)} inputs ({names:.80}): a network of one image has one")
    dims = _input(images[0], size)
    last = dims[3] <= MOST_CHANNELS < dims[1]
    draft = Draft((1, dims[3], *dims[1:3]) if last else dims)
    image = Value(0, (1, *draft.nodes[0].shape))
    values[images[0].name] = draft.back(image, 3) if last else image
    parts = Parts(values)
    stated = {v.name: _stated(v) for v in [*graph.value_info, *graph.output]}
    known = {k: v for k, v in stated.items() if v is not None}
    for node in graph.node:
        _read(draft, node, values, opset, known, parts)
        parts.add(node)
    results = [(x.name, values.get(x.name)) for x in graph.output]
    found = [(n, v) for n, v in results if isinstance(v, Value)]
    if not found:
        raise NasError("no output depends on the input")
    whole, weights = rewritten(draft, [value.node for _, value in found])
    return ImportedNetwork(name, whole, weights, tuple((n, v.dims) for n, v in found), last)


def _read(
    draft: Draft,
    node: onnx.NodeProto,
    values: dict[str, Value | Array],
    opset: int,
    stated: Mapping[str, Dims],
    parts: Parts,
) -> None:
    """Adds what one operation makes to the values."""
    inputs = [_known(name, values) if name else None for name in node.input]
    attributes = attributes_of(node)
    if node.op_type == "Shape" and isinstance(x := inputs[0], Value):
        part = slice(attributes.get("start", 0), attributes.get("end"))
        values[node.output[0]] = np.array(x.dims[part], np.int64)
        return
    tensors = [x for x in inputs if isinstance(x, Value)]
    made = inferred(node, inputs, opset, stated) if node.op_type != "Constant" else []
    if node.op_type == "CastLike" and tensors and isinstance(constant := inputs[0], np.ndarray):
        values[node.output[0]] = constant.astype(np.float32)  # as every tensor is here
        return
    if not tensors and node.domain in DOMAINS:
        arrays = {n: x for n, x in zip(node.input, inputs, strict=True) if n}
        constants = evaluated(node, arrays, opset)  # type: ignore[arg-type]
        values.update(zip(node.output, map(single, constants), strict=False))
        return
    dims = [dims for dims, _ in made]
    op = Operation(node.op_type, _name(node, values), inputs, attributes, dims, opset)
    reader = READERS.get(node.op_type) if node.domain in DOMAINS else None
    try:
        norm = parts.norm(node) if node.op_type == "Div" else None
        if norm and isinstance(x := values[norm.name], Value):
            read: Made = normalised(draft, op.name, x, norm.axis, norm.epsilon)
        else:
            read = reader(draft, op) if reader else None
    except Exception as error:  # attributes may say anything
        raise NasError(f"{described(node)}: {one_line(error):.120}") from None
    if read is None:
        what, places = operation(node), [draft.shaped(x) for x in tensors]
        read = [draft.add("unread", what, places, dims, mode=what) for dims in op.made]
    found = read if isinstance(read, list) else [read]
    for name, value, (_, kind) in zip(node.output, found, made, strict=False):
        values[name] = value._replace(kind=kind)


def _known(name: str, values: Mapping[str, Value | Array]) -> Value | Array:
    if name not in values:
        raise NasError(f"tensor {shown(name)} has no value that can be read")
    return values[name]


def _name(node: onnx.NodeProto, values: Mapping[str, Value | Array]) -> str:
    """The name of a node: that of its weight, as torch's exporters keep it, or its own."""
    for name in node.input[1:2]:
        if name.endswith(".weight") and not isinstance(values[name], Value):
            return str(name.removesuffix(".weight"))
    return str(node.name or node.op_type.lower())


def _stated(info: onnx.ValueInfoProto) -> Dims | None:
    """The dimensions that the file gives, with a batch of one; None where they are open."""
    dims = [d.dim_value for d in info.type.tensor_type.shape.dim]
    if dims and dims[0] < 1:
        dims[0] = 1
    return tuple(dims) if dims and min(dims) > 0 else None


def _input(image: onnx.ValueInfoProto, size: Size | None) -> Dims:
    """The dimensions of the input: one image, its open height and width filled in."""
    kind = image.type.tensor_type
    dims = [d.dim_value if d.dim_value > 0 else 0 for d in kind.shape.dim]
    if len(dims) != 4 or kind.elem_type not in (
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
    ):
        shape = "x".join(str(d or "?") for d in dims)
        raise NasError(f"input {shown(image.name)} of shape {shape or '?'} is no image of floats")
    if dims[0] > 1:
        raise NasError(
            f"input {shown(image.name)} is a batch of {dims[0]}; export it for one image"
        )
    _, *rest = dims
    last = 0 < rest[2] <= MOST_CHANNELS and not 0 < rest[0] <= MOST_CHANNELS
    places = [1, 2] if last else [2, 3]  # channels last, or first
    open_places = [i for i in (1, 2, 3) if not dims[i]]
    if not set(open_places) <= set(places):
        raise NasError(f"input {shown(image.name)}: its number of channels is open")
    if open_places and size is None:
        what = "height and width vary" if len(open_places) == 2 else "height or width varies"
        raise NasError(
            f"its {what}: give --resolution, a number or HEIGHTxWIDTH, or in a table a column of "
            "that name"
        )
    if size is not None:
        for i, n in zip(places, size, strict=True):
            if dims[i] not in (0, n):
                have = "x".join(str(dims[j] or "?") for j in places)
                raise NasError(f"resolution must be the file's, {have}, not {size[0]}x{size[1]}")
            dims[i] = n
    dims[0] = 1
    if np.prod(dims, dtype=np.float64) > MOST_VALUES:
        raise NasError(f"an input of {'x'.join(map(str, dims))} is larger than any image")
    return tuple(dims)
