"""A TFLite model as tensors and operations, and its bytes by the flatbuffer schema (version 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from nas.support.errors import NasError

SCHEMA, IDENTIFIER = 3, b"TFL3"
ALIGNMENT = 16  # of a buffer, so that weights can be used where they lie
TYPES = {
    np.dtype(np.float32): tflite.TensorType.FLOAT32,
    np.dtype(np.int8): tflite.TensorType.INT8,
    np.dtype(np.int32): tflite.TensorType.INT32,
}
# The options of an operation; those that are not here have none.
OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "GELU": "GeluOptions",
    "HARD_SWISH": "HardSwishOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "PADV2": "PadV2Options",
    "QUANTIZE": "QuantizeOptions",
    "RESHAPE": "ReshapeOptions",
    "SLICE": "SliceOptions",
    "SPLIT": "SplitOptions",
    "TRANSPOSE": "TransposeOptions",
}
# The version of an operation on int8, where it is not 2.
INT8_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "RESHAPE": 1, "HARD_SWISH": 1}


class Quantisation(NamedTuple):
    """Scales and zero points: one for the whole tensor, or one for each index of `axis`."""

    scales: npt.NDArray[np.float32]
    zeros: npt.NDArray[np.int64]
    axis: int = 0


class Tensor(NamedTuple):
    """A tensor; constants have `data`."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: npt.NDArray[Any] | None = None
    quantisation: Quantisation | None = None


class Operation(NamedTuple):
    """An operation by its name in the schema, with indices of tensors."""

    op: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[str, float]
    version: int


def serialised(
    tensors: Sequence[Tensor],
    operations: Sequence[Operation],
    inputs: Sequence[int],
    outputs: Sequence[int],
    metadata: Mapping[str, str],
) -> bytes:
    """The bytes of a model with one subgraph; `metadata` are texts by their names."""
    b = flatbuffers.Builder(1024)
    contents = [b""]  # the first buffer is empty, for tensors without data
    of_tensor = [0] * len(tensors)
    for i, tensor in enumerate(tensors):
        if tensor.data is not None:
            of_tensor[i] = len(contents)
            contents.append(np.ascontiguousarray(tensor.data).tobytes())
    of_metadata = range(len(contents), len(contents) + len(metadata))
    contents += [text.encode() for text in metadata.values()]
    buffers = _offsets(b, [_buffer(b, content) for content in contents])

    kinds = sorted({(operation.op, operation.version) for operation in operations})
    codes = _offsets(b, [_code(b, *kind) for kind in kinds])
    made_tensors = _offsets(
        b, [_tensor(b, tensor, i) for tensor, i in zip(tensors, of_tensor, strict=True)]
    )
    made_operations = _offsets(
        b, [_operation(b, o, kinds.index((o.op, o.version))) for o in operations]
    )
    ends = {"Inputs": _integers(b, inputs), "Outputs": _integers(b, outputs)}
    name = b.CreateString("main")
    parts = {"Name": name, "Tensors": made_tensors, "Operators": made_operations, **ends}
    subgraphs = _offsets(b, [_table(b, "SubGraph", parts)])
    entries = []
    for key, i in zip(metadata, of_metadata, strict=True):
        label = b.CreateString(key)
        entries.append(_table(b, "Metadata", {"Name": label, "Buffer": i}))
    parts = {
        "Version": SCHEMA,
        "Description": b.CreateString("hw-nas"),
        "OperatorCodes": codes,
        "Subgraphs": subgraphs,
        "Buffers": buffers,
        "Metadata": _offsets(b, entries),
    }
    b.Finish(_table(b, "Model", parts), IDENTIFIER)
    return bytes(b.Output())


def read_metadata(data: bytes) -> dict[str, str]:
    """The texts of a file's metadata by their names. Errors: `NasError` for what is no TFLite."""
    found = {}
    try:
        if data[4:8] != IDENTIFIER:
            raise ValueError("no identifier")
        model = tflite.Model.GetRootAs(data, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            content = model.Buffers(entry.Buffer()).DataAsNumpy()
            found[entry.Name().decode()] = bytes(content).decode(errors="replace")
    except Exception:  # the reader of flatbuffers checks nothing: damage shows in any way
        raise NasError("not a TFLite file") from None
    return found


def _table(b: Any, kind: str, fields: Mapping[str, Any]) -> int:
    getattr(tflite, f"{kind}Start")(b)
    for name, value in fields.items():
        getattr(tflite, f"{kind}Add{name}")(b, value)
    return int(getattr(tflite, f"{kind}End")(b))


def _offsets(b: Any, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _integers(b: Any, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(values, np.int32)))


def _buffer(b: Any, content: bytes) -> int:
    if not content:
        return _table(b, "Buffer", {})
    b.StartVector(1, len(content), ALIGNMENT)
    b.head -= len(content)
    b.Bytes[b.head : b.head + len(content)] = content
    return _table(b, "Buffer", {"Data": b.EndVector()})


def _code(b: Any, op: str, version: int) -> int:
    code = getattr(tflite.BuiltinOperator, op)
    fields = {"DeprecatedBuiltinCode": min(code, 127), "Version": version, "BuiltinCode": code}
    return _table(b, "OperatorCode", fields)


def _tensor(b: Any, tensor: Tensor, buffer: int) -> int:
    fields = {"Name": b.CreateString(tensor.name), "Shape": _integers(b, tensor.shape)}
    if (known := tensor.quantisation) is not None:
        scales = b.CreateNumpyVector(known.scales.astype(np.float32))
        zeros = b.CreateNumpyVector(known.zeros.astype(np.int64))
        parts = {"Scale": scales, "ZeroPoint": zeros, "QuantizedDimension": known.axis}
        fields["Quantization"] = _table(b, "QuantizationParameters", parts)
    return _table(b, "Tensor", {**fields, "Type": TYPES[tensor.dtype], "Buffer": buffer})


def _operation(b: Any, operation: Operation, code: int) -> int:
    fields = {
        "OpcodeIndex": code,
        "Inputs": _integers(b, operation.inputs),
        "Outputs": _integers(b, operation.outputs),
    }
    if kind := OPTIONS.get(operation.op):
        fields["BuiltinOptions"] = _table(b, kind, operation.options)
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, kind)
    return _table(b, "Operator", fields)
