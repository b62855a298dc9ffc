"""`nas calibrate`, run as a user would."""

import json
from pathlib import Path

import pytest
from commands import Run

import nas
import nas.references
from nas.networks import read_network

NETWORKS = ("resnet18", "alexnet", "squeezenet1_1", "mobilenet_v2_100", "vgg11", "mnasnet_100")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "measured.csv"
    rows = [f"{name},{10 + i}" for i, name in enumerate(NETWORKS)]
    path.write_text("\n".join(["network,latency_ms", *rows, ""]), encoding="utf-8")
    return path


def test_a_target_is_made_and_used_at_once(run: Run, measured: Path) -> None:
    code, out, err = run("calibrate", "--target", "mine", "--from", str(measured))
    assert code == 0
    assert "targets/mine.yaml: mine, runtime not stated, calibrated on 6 networks" in out
    assert "mean error of networks left out of the fit" in out
    assert "nas search --target mine" in out
    assert "warning: --runtime is not given" in err
    assert "warning: 6 networks are few" in err
    code, out, _ = run("targets")
    assert code == 0
    assert "mine" in out
    assert run("describe", "resnet18", "--target", "mine")[0] == 0


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (100.0, ["kept, but perhaps wrong, so better", "the latencies fit no device"]),
        (2000.0, ["left out as far off"]),
    ],
)
def test_every_warning_is_in_the_json(run: Run, tmp_path: Path, ms: float, said: list[str]) -> None:
    like = nas.Target.load("x86-avx512-ort")
    usual = {name: like.predict(nas.reference(name)).ms for name in NETWORKS}
    rows = [f"{name},{one:.4g}" for name, one in (usual | {"resnet18": ms}).items()]
    path = tmp_path / "wrong.csv"
    path.write_text("\n".join(["network,latency_ms", *rows, ""]), encoding="utf-8")
    words = ("calibrate", "--target", "mine", "--from", str(path))
    shown = run(*words)[2]
    warnings = json.loads(run(*words, "--json")[1])["warnings"]
    expected = [*said, "--runtime is not given", " are few"]
    for warning, part in zip(warnings, expected, strict=True):
        assert part in warning
        assert f"warning: {warning}\n" in shown


def test_the_base_and_the_labels_are_those_given(run: Run, measured: Path, tmp_path: Path) -> None:
    words = ("--base", "jetson-nano", "--device", "Board", "--folder", "elsewhere")
    code, out, _ = run("calibrate", "--target", "mine", "--from", str(measured), *words)
    assert code == 0
    assert "prior: jetson-nano" in out
    assert "nas search --target elsewhere/mine.yaml" in out
    text = (tmp_path / "elsewhere" / "mine.yaml").read_text(encoding="utf-8")
    assert "device: Board" in text
    assert "runtime: TensorRT" in text


def test_a_target_that_hides_a_shipped_one_is_said(run: Run, measured: Path) -> None:
    words = ("calibrate", "--from", str(measured), "--runtime", "ncnn")
    for name, said in (
        ("cpu", "--target cpu, the default, means this target now, not the shipped x86-avx"),
        ("jetson", "--target jetson means this target now, not the shipped jetson-"),
        (
            "jetson-nano",
            "--target jetson-nano means this target now, not the shipped jetson-nano",
        ),
        ("jetson-tx2", "--target jetson-tx2 means this target now, not the shipped ncnn/nvidia-j"),
        (
            "ncnn/amd-epyc-7742",
            "--target ncnn/amd-epyc-7742 means this target now, not the shipped ncnn/amd-e",
        ),
    ):
        code, _, err = run(*words, "--target", name)
        assert code == 0
        (line,) = [line for line in err.splitlines() if "this target now" in line]
        assert line.startswith(f"warning: {said}")
        run(*words, "--target", name, "--json")
    for more in (("--target", "mine"), ("--target", "cpu", "--folder", "elsewhere")):
        assert "this target now" not in run(*words, *more)[2]


WRONG = {
    "no file": (["--target", "mine", "--from", "no.csv"], "no.csv: No such file"),
    "name": (["--target", "My Device", "--from", "measured.csv"], "name 'My Device' must be"),
    "a file's name": (
        ["--target", "a.yaml", "--from", "measured.csv"],
        "must not end like a file's: call it a",
    ),
    "base": (["--target", "a", "--from", "measured.csv", "--base", "x"], "target 'x' is unknown"),
    "precision": (
        ["--target", "a", "--from", "measured.csv", "--precision", "fp8"],
        "precision: should be 'fp32', 'fp16' or 'int8', not 'fp8'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_one_line_and_exit_code_2(
    name: str, run: Run, measured: Path, tmp_path: Path
) -> None:
    words, message = WRONG[name]
    code, out, err = run("calibrate", *words)
    assert (code, out) == (2, "")
    assert err.startswith("nas: ")
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.yaml"))


def test_a_measured_table_is_not_overwritten(run: Run, measured: Path, tmp_path: Path) -> None:
    (tmp_path / "latency_tables").mkdir()
    (tmp_path / "latency_tables" / "mine.csv").write_text("", encoding="utf-8")
    code, _, err = run("calibrate", "--target", "mine", "--from", str(measured))
    assert code == 2
    assert "choose another name" in err


def test_the_same_command_says_the_same(run: Run, measured: Path) -> None:
    words = ("calibrate", "--target", "mine", "--from", str(measured))
    assert run(*words) == run(*words)


def test_what_extrapolates_is_said_by_every_command(run: Run, tmp_path: Path) -> None:
    like = nas.Target.load("x86-avx512-ort")
    names = [n for n in nas.references.reference_names() if n.startswith(("mobilenet", "mnasnet"))]
    rows = [f"{name},{3 * like.predict(nas.reference(name)).ms:.4g}" for name in names]
    path = tmp_path / "mobile.csv"
    path.write_text("\n".join(["network,latency_ms", *rows, ""]), encoding="utf-8")
    assert run("calibrate", "--target", "mine", "--from", str(path))[0] == 0
    code, out, _ = run("describe", "mobilenet_v2_100", "--target", "mine")
    assert "extrapolated" not in out
    for words in (("describe", "vgg16"), ("references",)):
        code, out, _ = run(*words, "--target", "mine")
        assert code == 0
        assert out.count("extrapolated: ") == 1


def test_tables_as_people_have_them(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "seconds.csv"
    rows = [f"{name},{0.010 + i / 1000},x" for i, name in enumerate((*NETWORKS, "resnet-18"))]
    path.write_text("\n".join(["model,seconds,remark", *rows, ""]), encoding="utf-8")
    words = ("--target", "mine", "--from", str(path), "--runtime", "ncnn")
    code, out, err = run("calibrate", *words)
    assert code == 0
    assert "ignored columns: remark" in out
    assert "1 networks were measured up to 2 times" in out
    assert "runtime ncnn, calibrated on 6 networks" in out
    assert "--runtime" not in err
    facts = json.loads(run("calibrate", *words, "--json")[1])
    assert facts["warnings"][0] == "ignored columns: remark"
    assert facts["error"]["networks"] == 6


def test_a_throughput_is_called_one(run: Run, tmp_path: Path) -> None:
    rows = [f"{name},{100 + i},64" for i, name in enumerate(NETWORKS[:3])]
    text = "\n".join(["model,Throughput (images/s),batch_size", *rows, ""])
    (tmp_path / "gpu.csv").write_text(text, encoding="utf-8")
    assert run("calibrate", "--target", "mine", "--from", "gpu.csv", "--runtime", "trt")[0] == 0
    assert (
        "mine (calibrated, trt, fp32, time per image of batches)"
        in run("describe", "resnet18", "--target", "mine")[1]
    )
    assert "trt, throughput" in " ".join(run("targets", "mine")[1].split())


def test_networks_worth_measuring_are_written_and_read_again(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("calibrate", "--suggest", "4", "--space", "small", "--output", "todo")
    assert code == 0
    assert "todo: 4 networks of small" in out
    assert "a mean error of about" in out
    table = tmp_path / "todo" / "measured.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines == ["network,latency_ms", *(f"{i:02}.onnx," for i in (1, 2, 3, 4))]
    filled = [lines[0], *(f"{line}{10 + i}" for i, line in enumerate(lines[1:]))]
    table.write_text("\n".join([*filled, ""]), encoding="utf-8")
    assert run("calibrate", "--target", "mine", "--from", str(table))[0] == 0
    code, _, err = run("calibrate", "--suggest", "4", "--output", "todo")
    assert code == 2
    assert "no empty folder" in err


def test_what_is_worth_measuring_as_json(run: Run, tmp_path: Path) -> None:
    words = ("calibrate", "--suggest", "3", "--space", "small", "--output")
    code, out, _ = run(*words, "to measure", "--json")
    assert code == 0
    told = json.loads(out)
    files = [str(Path("to measure", f"{i:02}.onnx")) for i in (1, 2, 3)]
    assert told["files"] == files
    assert told["networks"] == [read_network(tmp_path / file).hash for file in files]
    assert 0 < told["expected_error"] < 1
    assert told["table"] == "to measure/measured.csv"
    assert (tmp_path / told["table"]).exists()
    assert "--from 'to do/measured.csv' --runtime" in run(*words, "to do")[1]


def test_an_interrupted_suggestion_is_begun_anew(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("calibrate", "--suggest", "4", "--space", "small", "--output", "todo")
    whole = nas.to_onnx

    def interrupted(arch: nas.Architecture) -> object:
        if arch.name == "03.onnx":
            raise KeyboardInterrupt
        return whole(arch)

    with monkeypatch.context() as patch:
        patch.setattr("nas.formats.onnx_model.to_onnx", interrupted)
        assert run(*words)[0] == 130
    assert not list((tmp_path / "todo").iterdir())
    (tmp_path / "todo" / ".part").mkdir()  # as a call leaves it that is killed
    (tmp_path / "todo" / ".part" / "05.onnx").touch()
    assert run(*words)[0] == 0
    names = sorted(path.name for path in (tmp_path / "todo").iterdir())
    assert names == [*(f"{i:02}.onnx" for i in (1, 2, 3, 4)), "measured.csv"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["5", "--target", "mine"], "--suggest 5 makes no target: leave out --target and --from"),
        (["5", "--from", "measured.csv"], "--suggest 5 makes no target: leave out --target"),
        (["0"], "--suggest 0: must be 3 to 100"),
        (["101"], "--suggest 101: must be 3 to 100"),
        (["5", "--space", "nospace"], "'nospace'"),
        (["5"], "--output to_measure exists and is no empty folder"),
    ],
)
def test_what_is_wrong_is_said_before_the_folder_is(
    run: Run, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "to_measure" / "mine").mkdir(parents=True)
    code, out, err = run("calibrate", "--suggest", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_there_must_be_something_to_do(run: Run) -> None:
    code, _, err = run("calibrate", "--target", "mine")
    assert code == 2
    assert "--from, or --suggest" in err
