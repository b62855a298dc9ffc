"""`nas export`: the format follows the file's name, and int8 says what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.cli.export import format_of
from nas.cli.main import app
from nas.networks import read_network
from nas.support.errors import NasError

ARCH = Architecture(
    resolution=8,
    stem=(Block("conv", out=8, stride=2),),
    stages=((Block("depthwise", out=8),),),
    head=(Block("gap"), Block("linear", out=10)),
    channels=1,
)


def run(*words: object) -> str:
    """The output of a command that succeeds."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training with int8 in its last epoch."""
    place = tmp_path_factory.mktemp("export")
    (place / "net.json").write_text(ARCH.to_json())
    (place / "r.yaml").write_text("{epochs: 2, batch_size: 32, images: 320, lr: 0.05}")
    words = ["train", place / "net.json", "--data", "digits", "--output", place / "t"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        out = run(*words, "--recipe", place / "r.yaml", "--device", "cpu", "--int8")
    assert f"nas export {place / 't'} --int8" in out
    return place / "t"


def test_a_newer_opset_is_written_for_a_training_and_an_untrained_network(folder: Path) -> None:
    for what in (folder, folder.parent / "net.json"):
        for asked, written in ((["--opset", 17], 17), ([], 13)):
            file = folder.parent / "opset.onnx"
            run("export", what, "-o", file, *asked)
            model = onnx.load(file)
            assert {each.version for each in model.opset_import if not each.domain} == {written}


@pytest.mark.parametrize("words", [["--int8"], ["--format", "tflite"], ["--format", "ncnn"]])
def test_an_opset_is_for_onnx_in_float32(words: list[str], folder: Path) -> None:
    with pytest.raises(NasError, match=r"opset.*float32|float32.*opset"):
        run("export", folder, "--opset", "17", *words)


def test_an_untrained_network_as_int8_can_only_be_timed_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(ARCH.to_json())
    out = run("export", tmp_path / "net.json", "-o", tmp_path / "net.onnx", "--int8")
    assert "its outputs mean nothing" in out


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_an_untrained_network_as_int8_has_a_name_of_its_own(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(form)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.json").write_text(ARCH.renamed("net").to_json())
    run("export", "net.json", "--format", form)
    for _ in range(2):  # its own file is replaced
        out = run("export", "net.json", "--format", form, "--int8")
    assert f"net_int8.{form}: net," in out
    names = {f"net.{form}", f"net_int8.{form}", "net.json"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_the_file_that_is_read_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(nas.to_onnx(ARCH.renamed("net"), nas.build(ARCH, seed=7)), "net.onnx")
    before = Path("net.onnx").read_bytes()
    for words in (["net.onnx"], [tmp_path / "net.onnx", "-o", "net.onnx"]):
        with pytest.raises(NasError, match=r"net\.onnx is the file that is read"):
            run("export", *words)
    run("export", "net.onnx", "--int8")  # another file
    assert Path("net.onnx").read_bytes() == before


def answers(file: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(file)
    image = np.random.default_rng(0).normal(size=(1, *ARCH.input_shape)).astype(np.float32)
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    return np.asarray(found)


def test_a_file_that_holds_trained_weights_is_written_with_these(
    folder: Path, tmp_path: Path
) -> None:
    trained, again = tmp_path / "trained.onnx", tmp_path / "again.onnx"
    run("export", folder, "-o", trained)
    out = run("export", trained, "-o", again)
    assert "untrained" not in out
    assert f"the weights are those of {trained}: trained on digits" in out
    assert answers(again) == pytest.approx(answers(trained), abs=1e-5)
    about = [{p.key: p.value for p in onnx.load(f).metadata_props} for f in (trained, again)]
    assert about[0] == about[1]  # how images are prepared, the classes
    out = run("export", trained, "-o", tmp_path / "net.pt2")
    assert f"the weights are those of {trained}: trained on digits" in out
    module = torch.export.load(tmp_path / "net.pt2").module()
    image = np.random.default_rng(0).normal(size=(1, *ARCH.input_shape)).astype(np.float32)
    assert module(torch.tensor(image)).detach().numpy() == pytest.approx(answers(trained), abs=1e-4)


@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_trained_weights_that_are_not_read_are_not_lost_silently(
    form: str, folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip(form)
    trained, asked = tmp_path / f"trained.{form}", ["--int8"] * (form == "onnx")
    run("export", folder, "-o", trained)
    with pytest.raises(NasError, match=r"trained on digits.*export the folder of its training"):
        run("export", trained, "-o", tmp_path / "other.onnx", *asked)
    run("export", folder, "--int8", "-o", tmp_path / "int8.onnx")
    with pytest.raises(NasError, match=r"trained on digits.*export the folder of its training"):
        run("export", tmp_path / "int8.onnx", "-o", tmp_path / "other.pt2")


def test_what_a_runtime_takes_is_said_as_json_too(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(ARCH.to_json())
    out = run("export", tmp_path / "net.json", "-o", tmp_path / "net.pt2", "--json")
    told = json.loads(out)
    assert [Path(file).exists() for file in told["files"]] == [True]
    assert told["difference"] < 1e-4


def test_int8_says_how_and_what_it_costs(folder: Path) -> None:
    out = run("export", folder, "--int8")
    assert "calibrated on 256 training images: " in out
    assert "the best of 6 ways on 1000 other ones" in out
    assert "accuracy on the 359 validation images, through onnxruntime: " in out
    model = onnx.load(folder / "model_int8.onnx")
    assert any(t.data_type == onnx.TensorProto.INT8 for t in model.graph.initializer)
    run("export", folder, "--int8")  # its own file is replaced


def test_a_trainings_files_of_two_runtimes_live_beside_each_other(folder: Path) -> None:
    pytest.importorskip("openvino")
    for form in ("openvino", "ncnn"):
        run("export", folder, "--format", form)
    weights = ("model.bin", "model.ncnn.bin")
    assert all((folder / name).exists() for name in (*weights, "model.xml", "model.ncnn.param"))


def test_the_format_follows_the_name(folder: Path, tmp_path: Path) -> None:
    tflite = pytest.importorskip("tflite")
    out = run("export", folder, "-o", tmp_path / "net.tflite")
    assert read_network(tmp_path / "net.tflite") == ARCH
    assert "through LiteRT" in out or "was not run" in out
    run("export", folder, "--format", "tflite", "--int8")
    assert read_network(folder / "model_int8.tflite") == ARCH
    graph = tflite.Model.GetRootAs((folder / "model_int8.tflite").read_bytes(), 0).Subgraphs(0)
    ends = graph.Tensors(graph.Inputs(0)), graph.Tensors(graph.Outputs(0))
    assert [end.Type() for end in ends] == [tflite.TensorType.INT8] * 2
    out = run("describe", tmp_path / "net.tflite")
    assert out.startswith(ARCH.hash[:12])


def test_any_network_is_written_in_the_format_of_a_single_runtime(tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(replace(ARCH, resolution="8x12").to_json())
    out = run("export", tmp_path / "net.json", "-o", tmp_path / "net.pt2")
    assert "8x12 px" in out
    program = torch.export.load(tmp_path / "net.pt2").module()
    assert program(torch.zeros(1, 1, 8, 12)).shape == (1, 10)


@pytest.mark.parametrize(
    ("named", "output", "form"),
    [
        (None, None, "onnx"),
        (None, "a.onnx", "onnx"),
        (None, "a.TFLITE", "tflite"),
        (None, "a", "onnx"),
        ("tflite", None, "tflite"),
        ("tflite", "a.bin", "tflite"),
    ],
)
def test_format(named: str | None, output: str | None, form: str) -> None:
    assert format_of(named, Path(output) if output else None, dynamic_batch=False) == form


@pytest.mark.parametrize(
    ("named", "output", "dynamic", "said"),
    [
        ("tflit", None, False, "did you mean 'tflite'"),
        ("onnx", "a.tflite", False, "name of another format than onnx"),
        (None, "a.pb", False, r"end it in \.onnx, \.tflite, \.mnn, \.param, \.xml or \.pt2, or"),
        (None, "a.tflite", True, "one image"),
    ],
)
def test_format_refused(named: str | None, output: str | None, dynamic: bool, said: str) -> None:
    with pytest.raises(NasError, match=said):
        format_of(named, Path(output) if output else None, dynamic_batch=dynamic)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--symmetric"], "give --int8 too"),
        (["--int8", "--symmetric", "-o", "n.tflite"], "TensorRT"),
    ],
)
def test_refused(folder: Path, words: list[str], said: str) -> None:
    with pytest.raises(NasError, match=said):
        run("export", folder, *words)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0TFL3", b"\x1c\0\0\0TFL3" + b"\xff" * 64])
def test_a_damaged_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("tflite")
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(NasError, match=r"not a TFLite file|no 'architecture'"):
        read_network(tmp_path / "a.tflite")


def test_int8_targets_count_a_byte() -> None:
    from nas.describe import describe
    from nas.latency import Target

    network = nas.reference("mobilenet_v2_100")
    whole, small = (
        describe(network, Target.load(name)) for name in ("x86-avx512-ort", "x86-avx512-ort-int8")
    )
    assert small["precision"] == "int8"
    for key in ("peak_bytes", "weight_bytes"):
        assert small[key] * 4 == whole[key]
    assert np.all([4 * s["peak_bytes"] == w["peak_bytes"] for s, w in
                   zip(small["layers"], whole["layers"], strict=True)])  # fmt: skip


def test_a_published_network_is_written_at_any_resolution(folder: Path) -> None:
    place = folder.parent
    for name, how in (("r.onnx", ["--format", "onnx"]), ("r.pt2", ["--format", "torch"])):
        out = run("export", "squeezenet1_1", "--resolution", "64x96", "-o", place / name, *how)
        assert "64x96 px" in out
    shape = onnx.load(place / "r.onnx").graph.input[0].type.tensor_type.shape
    assert [d.dim_value for d in shape.dim] == [1, 3, 64, 96]
    mistakes: list[tuple[list[object], str]] = [
        (["squeezenet1_1", "--resolution", "big"], "resolution must be"),
        ([place / "net.json", "--resolution", "9"], "resolution must be the file's, 8, not"),
        ([folder, "--resolution", "9"], "--resolution 9: only that of a reference network"),
        ([folder, "--resolution", "9", "--format", "ncnn"], "--resolution 9: only that of"),
    ]
    for words, said in mistakes:
        with pytest.raises(NasError, match=said):
            run("export", *words, "-o", place / "none")
