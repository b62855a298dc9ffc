"""ONNX of other programs whose tensors are not all float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from onnx_files import model, node, onnxruntime_of, same, saved, weights

from nas.formats.onnx_import import read_onnx
from nas.formats.onnx_import.module import imported_module
from nas.testing.numerics import images


def scaled(kind: int, numbers: type, weight: np.ndarray[Any, Any]) -> onnx.ModelProto:
    """A convolution times a constant, in numbers of one kind."""
    nodes = [
        node("Conv", "x w", "a", kernel_shape=[3, 3]),
        node("Constant", "", "two", value=numpy_helper.from_array(np.array(2, numbers))),
        node("Mul", "a two", "b"),
        node("Cast", "b", "y", to=kind),
    ]
    made = model(nodes, {"w": weight.astype(numbers)})
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.elem_type = kind
    return made


@pytest.mark.parametrize(
    ("kind", "numbers"), [(TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)]
)
def test_files_of_other_precision(kind: int, numbers: type, tmp_path: Path) -> None:
    weight, x = weights(4, 3, 3, 3), images(1, 3, 8, 8)
    network = read_onnx(saved(scaled(kind, numbers, weight), tmp_path))
    assert not network.unread
    with torch.no_grad():
        made = imported_module(network)(torch.from_numpy(x)).numpy()
    plain = saved(scaled(TensorProto.FLOAT, np.float32, weight), tmp_path)
    np.testing.assert_allclose(made, onnxruntime_of(plain, x)[0], atol=2e-2)


def test_constants_are_cast_like_tensors(tmp_path: Path) -> None:
    """As torch writes bounds without its optimiser."""
    whole = {"low": np.array(0), "high": np.array(6)}
    nodes = [
        node("CastLike", "low x", "a"),
        node("CastLike", "high x", "b"),
        node("Clip", "x a b", "y"),
    ]
    network = same(saved(model(nodes, whole, opset=15), tmp_path))
    assert [n.act for n in network.graph().nodes[1:]] == ["relu6"]


def test_a_cast_to_whole_numbers_is_none_that_changes_nothing(tmp_path: Path) -> None:
    nodes = [
        node("Cast", "x", "a", to=TensorProto.INT64),
        node("Cast", "a", "y", to=TensorProto.FLOAT),
    ]
    assert read_onnx(saved(model(nodes), tmp_path)).unread == {"Cast": 1}


def test_what_reads_truths_and_places_is_named_not_refused(tmp_path: Path) -> None:
    nodes = [
        node("Greater", "x zero", "a"),
        node("Not", "a", "b"),
        node("Where", "b x zero", "c"),
        node("ArgMax", "c", "d", axis=1),
        node("Add", "d one", "e"),
        node("Cast", "e", "f", to=TensorProto.FLOAT),
        node("Add", "c f", "y"),
    ]
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "zero": np.zeros(1, np.float32),
        "one": np.ones(1, np.int64),
    }
    network = read_onnx(saved(model(nodes, arrays), tmp_path))
    assert network.unread == {"Greater": 1, "Not": 1, "Where": 1, "ArgMax": 1}
