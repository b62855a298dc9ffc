"""The scripts of docs/deploying.md run, on files that `nas` wrote, and are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.calibration import observe
from nas.formats.folding import folded
from nas.testing.numerics import images, randomise
from nas.torch_module import build

pytest.importorskip("tflite", reason="needs the extra 'tflite'")

DOCUMENT = Path(__file__).parents[1] / "docs" / "deploying.md"
ARCH = Architecture(
    resolution=16,
    stem=(Block("conv", out=8, stride=2, act="relu6"),),
    stages=((Block("inverted", out=8, hidden=16, se=4, act="hswish"),),),
    head=(Block("gap"), Block("linear", out=6)),
)


def script(heading: str) -> str:
    """The Python under a heading of the document."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (found,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network as float32 and as int8."""
    from nas.formats.tflite import to_tflite

    folder, module = tmp_path_factory.mktemp("deploying"), randomise(build(ARCH, seed=0))
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    seen = observe(*folded(ARCH.graph(), state), [3 * images(8, 3, 16, 16)])
    ranges = {name: one.range("min-max") for name, one in seen.items()}
    (folder / "model.tflite").write_bytes(to_tflite(ARCH, state))
    (folder / "model_int8.tflite").write_bytes(to_tflite(ARCH, state, int8=ranges))
    return folder


@pytest.mark.parametrize("name", ["model.tflite", "model_int8.tflite"])
def test_litert(files: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra 'litert'")
    monkeypatch.chdir(files)
    values: dict[str, Any] = {}
    exec(script("TFLite / LiteRT").replace("model.tflite", name), values)
    pixels = torch.from_numpy(values["photo"]).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        expected = randomise(build(ARCH, seed=0))((pixels / 255 - 0.5) / 0.25).numpy()
    tolerance = 1e-4 if name == "model.tflite" else 0.2 * np.ptp(expected)
    np.testing.assert_allclose(values["logits"], expected, atol=tolerance)


def test_micro(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tflite_micro")
    monkeypatch.chdir(files)
    values: dict[str, Any] = {}
    exec(script("TFLite Micro"), values)
    register, best, *_ = capsys.readouterr().out.splitlines()
    used = "ADD, CONV_2D, DEPTHWISE_CONV_2D, HARD_SWISH, MEAN, MUL, PAD, RESHAPE"
    assert register == f"register: {used}"
    assert best in map(str, range(6))


@pytest.mark.parametrize(
    ("heading", "form", "package"),
    [("OpenVINO", "openvino", "openvino"), ("ncnn", "ncnn", "ncnn"), ("MNN", "mnn", "MNN")],
)
def test_a_runtimes_script(
    heading: str,
    form: str,
    package: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip(package)
    from nas.formats.endings import OTHER_ENDINGS
    from nas.training.export_others import export_other

    module = randomise(build(ARCH, seed=0))
    export_other(form, ARCH, module, tmp_path / f"net{OTHER_ENDINGS[form]}")
    monkeypatch.chdir(tmp_path)
    exec(script(heading), {})
    with torch.no_grad():
        best = int(module(torch.zeros(1, *ARCH.input_shape)).argmax())
    assert int(capsys.readouterr().out.split()[-1]) == best
