"""What ONNX operations say before anything runs: constants are computed, shapes inferred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from nas.formats.onnx_import.loading import DOMAINS
from nas.support.errors import NasError, one_line, shown

Array = npt.NDArray[Any]
Dims = tuple[int, ...]
MOST_VALUES = 1 << 30  # of a tensor
TOLD = 1 << 12  # values of a constant input that shapes may depend on
# Numbers that are read as float32.
REAL = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}
# Makes the shape that it takes, which onnx does not infer: it is deprecated in opset 18, and a
# function in 21.
LIKE_ITS_INPUT = "GroupNormalization"


class Value(NamedTuple):
    """A tensor of the network: the node of the graph that makes its values, in this order, and its
    dimensions in ONNX, batch included. What is not read may make others than floats (`kind`)."""

    node: int
    dims: Dims
    kind: int = TensorProto.FLOAT


def evaluated(node: onnx.NodeProto, inputs: Mapping[str, Array], opset: int) -> list[Array]:
    """The outputs of an operation on constants: of a split all, of any other the first. Errors:
    `NasError` where it cannot be computed."""
    outputs = node.output if node.op_type == "Split" else node.output[:1]
    given, made = (
        [helper.make_empty_tensor_value_info(name) for name in dict.fromkeys(names) if name]
        for names in (node.input, outputs)
    )
    graph = helper.make_graph([node], "constant", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        values = ReferenceEvaluator(model).run(None, dict(inputs))
    except Exception as error:  # of whatever the evaluator computes with
        raise NasError(f"{described(node)}: {one_line(error):.120}") from None
    return [np.asarray(value) for value in values]


def inferred(
    node: onnx.NodeProto,
    inputs: Sequence[Value | Array | None],
    opset: int,
    stated: Mapping[str, Dims],
) -> list[tuple[Dims, int]]:
    """The dimensions and the types of the outputs of an operation, up to one that has none (a
    dropout's mask); `stated` are the dimensions that the file gives.

    Errors: `NasError` where the operation cannot take its inputs or its outputs are unknown.
    """
    if node.op_type == LIKE_ITS_INPUT and isinstance(value := next(iter(inputs), None), Value):
        return [(value.dims, value.kind)]
    types, data = {}, {}
    for name, value in zip(node.input, inputs, strict=True):
        if isinstance(value, Value):
            types[name] = helper.make_tensor_type_proto(value.kind, value.dims)
        elif value is not None:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            types[name] = helper.make_tensor_type_proto(kind, value.shape)
            if value.size <= TOLD:
                data[name] = numpy_helper.from_array(value, name)
    found: Mapping[str, onnx.TypeProto] = {}
    if node.domain in DOMAINS:
        try:
            schema = onnx.defs.get_schema(node.op_type, opset, "")
        except Exception:
            raise NasError(f"{described(node)}: opset {opset} has no such operation") from None
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=[helper.make_opsetid("", opset)]
            )
        except Exception as error:  # of onnx's own kinds
            raise NasError(f"{described(node)}: {one_line(error):.120}") from None
    made: list[tuple[Dims, int]] = []
    least = 1 if any(isinstance(value, Value) for value in inputs) else 0  # a constant may be empty
    for name in node.output:
        dims = _dims(found.get(name), least)
        dims = stated.get(name) if dims is None else dims
        if dims is None:
            break
        if prod(dims) > MOST_VALUES:
            raise NasError(f"{described(node)}: makes {prod(dims)} values, over {MOST_VALUES}")
        code = found[name].tensor_type.elem_type if name in found else 0
        made.append((dims, TensorProto.FLOAT if code in (0, *REAL) else code))
    if not made:
        raise NasError(f"{described(node)}: the shape of what it makes is not known")
    return made


def _dims(found: onnx.TypeProto | None, least: int) -> Dims | None:
    if found is None or not found.tensor_type.HasField("shape"):
        return None
    dims = found.tensor_type.shape.dim
    if not all(d.HasField("dim_value") and d.dim_value >= least for d in dims):
        return None
    return tuple(d.dim_value for d in dims)


def array_of(tensor: onnx.TensorProto) -> Array:
    """The values of a tensor. Errors: `NasError` where they are damaged."""
    try:
        return single(np.asarray(numpy_helper.to_array(tensor)))
    except Exception as error:  # of numpy, or of onnx's own kinds
        raise NasError(f"weights {shown(tensor.name)}: {one_line(error):.120}") from None


def single(array: Array) -> Array:
    """Floating-point numbers of any precision in that of the graph; others as they are."""
    floating = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return array.astype(np.float32, copy=False) if floating else array


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """The attributes of an operation, by name. Errors: `NasError` where they are damaged."""
    try:
        return {a.name: helper.get_attribute_value(a) for a in node.attribute}
    except Exception as error:  # of onnx's own kinds
        raise NasError(f"{described(node)}: {one_line(error):.120}") from None


def described(node: onnx.NodeProto) -> str:
    """An operation as errors name it."""
    return f"{operation(node)} {shown(node.name or next(iter(node.output), ''))}"


def operation(node: onnx.NodeProto) -> str:
    """The type of an operation, with its domain where that is not ONNX's."""
    name = node.op_type if node.domain in DOMAINS else f"{node.domain}.{node.op_type}"
    return name if name.isprintable() and len(name) < 80 else shown(name)
