"""ONNX files for tests: written by hand, and compared with what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_import.module import imported_module
from nas.imported import ImportedNetwork
from nas.testing.numerics import images


def model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray[Any, Any]] | None = None,
    dims: tuple[int | str | None, ...] = (1, 3, 8, 8),
    opset: int = 13,
) -> onnx.ModelProto:
    """A model with input x and output y, whose shape is left to be inferred."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def saved(made: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(made, str(folder / "a.onnx"))
    return folder / "a.onnx"


RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(np.float32)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def onnxruntime_of(path: Path, x: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    found: list[np.ndarray[Any, Any]] = session.run(None, {session.get_inputs()[0].name: x})
    return found


def same(path: Path, size: tuple[int, int] | None = None) -> ImportedNetwork:
    """The network of a file, whose every output is onnxruntime's."""
    network = read_onnx(path, size)
    x = images(1, *network.input_shape)
    with torch.no_grad():
        made = imported_module(network)(torch.from_numpy(x))
    made = made if isinstance(made, tuple) else (made,)
    expected = onnxruntime_of(path, x.transpose(0, 2, 3, 1) if network.channels_last else x)
    assert len(made) == len(expected) == len(network.outputs)
    for ours, theirs, (_, dims) in zip(made, expected, network.outputs, strict=True):
        assert tuple(ours.shape) == theirs.shape == dims
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4 * max(1, np.abs(theirs).max()))
    return network
