"""Each installed runtime computes what torch does, and executes the kernels that we say it does."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from commands import Run

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.branches import deployed_state
from nas.latency.folders import folder_of
from nas.latency.lowering.rows import network_kernels
from nas.latency.measuring.engines import loader, subject_entries
from nas.latency.runtimes import NAMES, Runtime, find_runtime
from nas.latency.table import Subject, read_table
from nas.support.errors import NasError
from nas.testing.numerics import images, randomise, run_torch
from nas.testing.openvino_layers import differences
from nas.torch_module import build

CELL = "|none~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
HEAD = (Block("gap"), Block("linear", out=10))
# Between them every operation of a graph, every activation, and every attention.
ROWS = {
    "shuffle": (Block("shuffle", out=16), Block("shuffle_v1", out=24, hidden=8, stride=2)),
    "gates": (
        Block("inverted", out=12, hidden=24, se=8, act="hswish", attention="eca"),
        Block("depthwise", out=16, se=4, act="silu", attention="cbam"),
        Block("inverted", out=16, hidden=32, act="hsigmoid", attention="coordinate"),
    ),
    "branches": (Block("mobileone", out=16, branches=2), Block("repvgg", out=12, stride=2)),
    "ghost": (Block("ghost", out=12, hidden=20), Block("squeezenext", out=16, hidden=8)),
    "pools": (
        Block("maxpool", ceil=True),
        Block("avgpool", kernel=3, padding=1),
        Block("fire", out=16, squeeze=4),
        Block("activate", act="relu6"),
    ),
    "cell": (Block("cell", genotype=CELL),),
    "micro": (Block("micro", out=12, hidden=24), Block("uib", out=12, hidden=24, start=5)),
}


def network(name: str) -> Architecture:
    return Architecture(22, (Block("conv", out=12, stride=2),), (ROWS[name],), HEAD, name=name)


@pytest.fixture(scope="module", params=NAMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    try:
        return find_runtime(request.param)
    except NasError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ROWS)
def test_a_runtime_computes_what_torch_does(runtime: Runtime, name: str, tmp_path: Path) -> None:
    arch = network(name)
    module, x = randomise(build(arch, seed=0)), images(1, *arch.input_shape)
    expected = run_torch(module, x)
    state = deployed_state(module)
    path = tmp_path / f"model{runtime.suffix}"
    runtime.write(path, arch.graph(), state=state)
    session = runtime.load(path)
    session.run()

    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(session.outputs(x) / scale, expected / scale, atol=1e-4)


def test_int8_runs_and_gives_other_values(runtime: Runtime, tmp_path: Path) -> None:
    if "int8" not in runtime.precisions:
        pytest.skip(f"{runtime.name} has no int8 here")
    graph, x = network("shuffle").graph(), images(1, 3, 22, 22)
    outputs = []
    for precision in runtime.precisions:
        path = tmp_path / f"{precision}{runtime.suffix}"
        runtime.write(path, graph, precision)
        outputs.append(runtime.load(path).outputs(x))
    assert outputs[0].shape == outputs[1].shape == (1, 10)
    assert np.abs(outputs[0] - outputs[1]).max() > 0


REFERENCES = ("mobilenet_v3_small_100", "shufflenet_v2_x0_5", "ghostnet_050", "lcnet_050")


@pytest.mark.parametrize("name", REFERENCES)
def test_openvino_executes_the_kernels_of_its_lowering(name: str, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    runtime, arch = find_runtime("openvino"), nas.reference(name, resolution=64)
    path = tmp_path / "model.onnx"
    runtime.write(path, arch.graph())
    session = runtime.load(path)
    session.run()
    layers = session.layers()
    assert differences(arch, layers) == []
    timed = {layer.operation for layer in layers if layer.ms is not None}
    assert timed >= {"Convolution", "FullyConnected"}
    named = {name for layer in layers for name in layer.nodes}
    assert named & {node.name for node in arch.graph().nodes}


def test_a_model_is_loaded_for_timing_and_its_file_is_not_kept(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (entry,) = subject_entries([Subject.network(network("ghost"))])
    for precision in runtime.precisions:
        for _ in range(2):
            loader(runtime, precision, 1)(entry)()
    assert entry.weights[""] == 4 * sum(k.weights for k in network_kernels(network("ghost")))
    assert not list(tmp_path.iterdir())


def test_a_machine_is_timed_with_a_runtime(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ncnn")
    runtime = find_runtime("ncnn")
    monkeypatch.setattr("nas.latency.measuring.plan.ANCHORS", {"mlperf_tiny_resnet8": 32})
    monkeypatch.setattr("nas.latency.runner.batches.BATCH", 6)
    monkeypatch.setattr("nas.latency.runner.timing.VISIT_SECONDS", (0.001, 0.002))
    words = ("--target", "mine", "--space", "tiny", "--minutes", "0.001")
    code, out, _ = run("measure", *words, "--runtime", runtime.name)
    assert code == 0
    assert runtime.title in out
    folder = folder_of("mine")
    assert len(read_table(folder / "mine.csv")) > 5
    facts = yaml.safe_load((folder / "mine.yaml").read_text())
    assert facts["runtime"] == runtime.title
    assert facts.get("lowering", "fused") == runtime.lowering
    assert "provider" not in facts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--runtime", "opnvino"], "'opnvino' is unknown; did you mean 'openvino'"),
        (["--runtime", "ncnn", "--precision", "int8"], "ncnn is timed in fp32, not in int8"),
        (["--runtime", "ncnn", "--provider", "cuda"], "--provider cuda is onnxruntime's, not for"),
        (["--runtime", "ncnn", "--bundle", "b"], "--bundle is for onnxruntime"),
    ],
)
def test_what_cannot_be_timed_is_said_in_one_line(run: Run, words: list[str], said: str) -> None:
    pytest.importorskip("ncnn")
    code, _, err = run("measure", "--target", "x", *words)
    assert code == 2
    assert said in err
