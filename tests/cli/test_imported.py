"""ONNX files of other programs on the command line: described, calibrated from, measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import Run
from onnx import TensorProto, helper, numpy_helper

import nas
from nas.graph import Builder
from nas.graph_json import graph_of_plain, graph_to_plain
from nas.latency.table import Subject, read_table
from nas.support.errors import NasError


def written(
    path: Path, channels: int, *, lrn: bool = False, size: tuple[str | int, str | int] = ("h", "w")
) -> Path:
    """A network that nas did not write: two convolutions, of a size that is left open or not."""
    rng = np.random.default_rng(channels)
    weights = {
        "w": rng.standard_normal((channels, 3, 3, 3)),
        "v": rng.standard_normal((10, channels, 1, 1)),
    }
    norm = helper.make_node("LRN", ["a"], ["b"], size=3)
    middle = norm if lrn else helper.make_node("Relu", ["a"], ["b"])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2], pads=[0, 0, 1, 1]),
        middle,
        helper.make_node("Conv", ["b", "v"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, *size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7), str(path))
    return path


def test_describe_shows_nodes_and_says_what_is_left_out(run: Run, tmp_path: Path) -> None:
    written(tmp_path / "a.onnx", 8, lrn=True)
    words = ("describe", "a.onnx", "--target", "x86-avx512-ort", "--resolution", "32x48")
    code, out, _ = run(*words)
    assert code == 0
    assert "a.onnx: 32x48 px, 0.1137 MMACs" in out
    assert "not read, so left out of parameters, multiply-adds and latency: 1 LRN" in out
    assert "accuracy" not in out
    code, out, _ = run(*words, "--json")
    facts = json.loads(out)
    assert (facts["resolution"], facts["unread"]) == ("32x48", {"LRN": 1})
    assert "predicted_accuracy" not in facts
    assert facts["macs"] == 16 * 24 * (8 * 27 + 80) == sum(n["macs"] for n in facts["layers"])
    assert [n["kind"] for n in facts["layers"]] == ["conv", "LRN", "conv", "gap"]
    parts = facts["constant_ms"] + sum(n["latency_ms"] for n in facts["layers"])
    assert facts["latency_ms"] == pytest.approx(parts)
    assert facts["layers"][0]["latency_ms"] > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("describe", "a.onnx"), "its height and width vary: give --resolution"),
        (("describe", "a.onnx", "--resolution", "9x"), "must be a whole number or HEIGHTxWIDTH"),
        (("describe", "resnet18", "--resolution", "0x64"), "not '0x64'"),
        (("score", "a.onnx", "--resolution", "32"), "not written by nas"),
        (("measure", "--target", "t", "--models", "."), "give --resolution"),
        (("measure", "--target", "t", "--models", "none"), "there is no .onnx file"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    words: tuple[str, ...], said: str, run: Run, tmp_path: Path
) -> None:
    written(tmp_path / "a.onnx", 8)
    code, _, err = run(*words)
    assert code == 2
    (line,) = err.splitlines()
    assert said in line


def test_calibrate_takes_them_as_rows(run: Run, tmp_path: Path) -> None:
    lines = ["network,latency_ms,resolution"]
    for channels in (8, 16, 24, 32):
        written(tmp_path / f"{channels}.onnx", channels)
        lines.append(f"{channels}.onnx,{channels / 8},224")
    (tmp_path / "m.csv").write_text("\n".join([*lines, ""]))
    code, out, _ = run("calibrate", "--target", "t", "--from", "m.csv", "--runtime", "r")
    assert code == 0
    assert "calibrated on 4 networks" in out


def test_measured_models_are_rows_that_need_no_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    written(tmp_path / "models" / "a.onnx", 8)
    few = ("--target", "t", "--space", "small", "--minutes", "0.01")
    code, _, _ = run(
        "measure", *few, "--models", "models", "--resolution", "32x48", "--bundle", "b"
    )
    assert code == 0
    words = [sys.executable, "-I", "measure.pyz"]
    subprocess.run(words, cwd=tmp_path / "b", check=True, capture_output=True)
    assert run("measure", "--import", "b/results.csv", "--folder", "latency_tables")[0] == 0
    rows = read_table(tmp_path / "latency_tables" / "t.csv")
    (row,) = (row for row in rows if "graph" in row.subject.spec)
    graph = row.subject.graph()
    assert graph.input_shape == (3, 32, 48)
    assert graph.nodes[1].after == (1, 1)
    assert row.subject.kernels()[0].output == (8, 16, 24)
    assert nas.Target.load("t").constant_ms > 0
    with pytest.raises(NasError, match="another program wrote this network"):
        row.subject.architecture()


def test_models_of_fixed_and_open_size_and_what_cannot_be_timed(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    few = ("--target", "t", "--space", "small", "--minutes", "0.01", "--bundle", "b")
    words = ("measure", *few, "--models", "models", "--resolution", "32x48")
    written(folder / "lrn.onnx", 8, lrn=True)
    (folder / "text.onnx").write_text("no model")
    code, _, err = run(*words)
    assert code == 2
    assert "no .onnx file can be timed: models/lrn.onnx is left out: " in err
    written(folder / "open.onnx", 8)
    written(folder / "fixed.onnx", 8, size=(64, 64))
    onnx.save(nas.to_onnx(nas.reference("resnet18", resolution=64)), str(folder / "ours.onnx"))
    code, _, err = run(*words)
    assert code == 0
    left_out = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert [line.partition(" is left out: ")[0] for line in left_out] == [
        "warning: models/lrn.onnx",
        "warning: models/text.onnx",
    ]
    assert "1 LRN" in left_out[0]
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    subjects = [Subject("network", m["spec"]) for m in manifest["models"] if m["kind"] == "network"]
    shapes = [each.graph().input_shape for each in subjects if "graph" in each.spec]
    assert sorted(shapes) == [(3, 32, 48), (3, 64, 64)]
    assert nas.reference("resnet18", resolution=64).renamed("") in [
        each.architecture() for each in subjects if "graph" not in each.spec
    ]


def test_a_graph_comes_back_from_json_and_damage_is_refused() -> None:
    net = Builder((3, 8, 8))
    x = net.conv(net.shuffle(net.conv(0, 8, groups=1, stride=2), 2), 4, act="hswish")
    graph = net.finish(net.linear(net.gap(x), 5))
    plain = json.loads(json.dumps(graph_to_plain(graph)))
    again = graph_of_plain(plain, "spec")
    assert [n._replace(name="") for n in again.nodes] == [n._replace(name="") for n in graph.nodes]
    changes: list[dict[str, object]] = [
        {"inputs": [3]},
        {"inputs": []},
        {"groups": 3},
        {"shape": [8, 4]},
        {"kernel": [0, 1]},
        {"op": "sparkle"},
        {"other": 1},
    ]
    for change in changes:
        damaged = json.loads(json.dumps(plain))
        damaged["nodes"][1].update(change)
        with pytest.raises(NasError):
            Subject("network", json.dumps({"graph": damaged})).check()
