"""Bad ONNX files: one line each, and nothing outside their folder is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nas.formats.onnx_import import read_onnx
from nas.networks import find_network
from nas.support.errors import NasError

WEIGHT = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)


def model(
    dims: tuple[int | str | None, ...] = (1, 3, 8, 8),
    nodes: list[onnx.NodeProto] | None = None,
    opset: int = 13,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes or [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(WEIGHT, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def refused(made: onnx.ModelProto | bytes, folder: Path, **settings: Any) -> str:
    """What is said of the file, in one line."""
    path = folder / "a.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    with pytest.raises(NasError) as caught:
        read_onnx(path, **settings)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said


def external(place: str, length: int = WEIGHT.nbytes) -> onnx.ModelProto:
    """A model whose weights stand in another file."""
    made = model()
    (tensor,) = made.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": str(length)}.items():
        tensor.external_data.add(key=key, value=value)
    return made


def test_every_way_of_cutting_a_file_off_is_refused(tmp_path: Path) -> None:
    whole = model().SerializeToString()
    for size in (0, 1, 7, 40, len(whole) // 2, len(whole) - 1):
        assert "not an ONNX file, or cut off" in refused(whole[:size], tmp_path)
    assert "not an ONNX file, or cut off" in refused(b"GIF89a" + bytes(100), tmp_path)


def test_more_than_a_protobuf_can_hold_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(3 << 30)  # of no blocks
    with pytest.raises(NasError, match=r"3\.2 GB is more than the 2 GB that an ONNX file may have"):
        read_onnx(path)
    with pytest.raises(NasError, match="more than the 2 GB"):
        find_network(str(path))


def test_weights_of_the_same_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "a.onnx").write_bytes(external("w.bin").SerializeToString())
    network = read_onnx(tmp_path / "a.onnx")
    (found,) = network.weights.values()
    np.testing.assert_array_equal(found, WEIGHT)


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "folder"
    secret.write_bytes(WEIGHT.tobytes())
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    for place in ("../secret", str(secret), "link", "sub/../../secret"):
        assert "outside its folder, which is refused" in refused(external(place), folder)
    assert "not there" in refused(external("none"), folder)
    (folder / "short").write_bytes(bytes(10))
    assert "cut off" in refused(external("short"), folder)
    assert "damaged" in refused(external("short", -5), folder)
    os.mkfifo(folder / "pipe")
    assert "not there" in refused(external("pipe"), folder)


def test_cycles_and_gaps_are_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Add", ["x", "b"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    assert "its nodes form a cycle" in refused(model(nodes=nodes), tmp_path)
    assert "tensor 'b' is read, but nothing makes it" in refused(model(nodes=nodes[2:]), tmp_path)
    twice = [helper.make_node("Relu", ["x"], ["y"])] * 2
    assert "tensor 'y' is made twice" in refused(model(nodes=twice), tmp_path)


def test_nodes_in_any_order_are_read(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Conv", ["x", "w"], ["a"])]
    (tmp_path / "a.onnx").write_bytes(model(nodes=nodes).SerializeToString())
    assert [n.op for n in read_onnx(tmp_path / "a.onnx").graph().nodes] == ["input", "conv"]


@pytest.mark.parametrize("opset", [6, onnx.defs.onnx_opset_version() + 1, 10**6])
def test_unknown_opsets_are_refused(opset: int, tmp_path: Path) -> None:
    newest = onnx.defs.onnx_opset_version()
    said = refused(model(opset=opset), tmp_path)
    assert said.endswith(f"opset {opset} cannot be read, only 7 to {newest}")


def test_a_size_that_is_open_is_asked_for(tmp_path: Path) -> None:
    assert "its height and width vary: give --resolution" in refused(
        model((None, 3, "h", "w")), tmp_path
    )
    assert "its height or width varies" in refused(model((1, 3, 8, "w")), tmp_path)
    assert "number of channels is open" in refused(model((1, None, None, None)), tmp_path)
    assert "number of channels is open" in refused(model((1, None, 32, 32)), tmp_path)
    assert "resolution must be the file's, 8x?, not 9x8" in refused(
        model((1, 3, 8, "w")), tmp_path, size=(9, 8)
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(model(("batch", 3, "h", "w")).SerializeToString())
    assert read_onnx(path, (9, 12)).input_shape == (3, 9, 12)
    assert find_network(str(path), "9x12").input_shape == (3, 9, 12)
    path.write_bytes(model(("batch", 3, 8, 8)).SerializeToString())
    assert read_onnx(path).input_shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ((5, 3, 8, 8), "is a batch of 5"),
        ((1, 3, 8), "is no image"),
        ((1, 3, 1 << 20, 1 << 20), "larger"),
    ],
)
def test_inputs_that_are_no_image_are_refused(
    dims: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    assert said in refused(model(dims), tmp_path)


def test_shapes_that_do_not_fit_are_refused_with_the_operation(tmp_path: Path) -> None:
    assert "Conv 'y': " in refused(model((1, 4, 8, 8)), tmp_path)
    unknown = [helper.make_node("Sparkle", ["x"], ["y"], domain="org.example")]
    assert "org.example.Sparkle 'y': the shape" in refused(model(nodes=unknown), tmp_path)
    wrong = [helper.make_node("Sparkle", ["x"], ["y"])]
    assert "opset 13 has no such operation" in refused(model(nodes=wrong), tmp_path)


def test_a_constant_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    huge = numpy_helper.from_array(np.array([1 << 20, 1 << 20]))
    nodes = [
        helper.make_node("Constant", [], ["s"], value=huge),
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    assert "values, over" in refused(model(nodes=nodes), tmp_path)


def test_damaged_bytes_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2]),
        helper.make_node("Clip", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("Softmax", ["d"], ["y"], axis=1),
    ]
    whole = model(nodes=nodes).SerializeToString()
    small = whole.replace(WEIGHT.tobytes(), bytes(WEIGHT.nbytes))
    rng, path, refusals = np.random.default_rng(0), tmp_path / "a.onnx", 0
    places = [i for i in range(len(small)) if small[max(0, i - 4) : i + 4].strip(b"\0")]
    for _ in range(150):
        data = bytearray(small)
        for place in rng.choice(places, rng.integers(1, 4)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            read_onnx(path)
        except NasError as error:
            refusals += 1
            assert "\n" not in str(error)
    assert refusals > 40
