"""`nas calibrate`, run as a user would."""

from pathlib import Path

import pytest
from commands import Run

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
    assert "latency_tables/mine.yaml: mine, calibrated on 6 networks" in out
    assert "mean error of networks left out of the fit" in out
    assert "nas search --target mine" in out
    assert err.startswith("warning: 6 networks are few")
    code, out, _ = run("targets")
    assert code == 0
    assert "mine" in out
    assert run("describe", "resnet18", "--target", "mine")[0] == 0


def test_the_base_and_the_labels_are_those_given(run: Run, measured: Path, tmp_path: Path) -> None:
    words = ("--base", "jetson-nano", "--device", "Board", "--folder", "elsewhere")
    code, out, _ = run("calibrate", "--target", "mine", "--from", str(measured), *words)
    assert code == 0
    assert "prior: jetson-nano" in out
    assert "nas search --target elsewhere/mine.yaml" in out
    text = (tmp_path / "elsewhere" / "mine.yaml").read_text(encoding="utf-8")
    assert "device: Board" in text
    assert "runtime: TensorRT" in text


WRONG = {
    "no file": (["--target", "mine", "--from", "no.csv"], "no.csv: No such file"),
    "name": (["--target", "My Device", "--from", "measured.csv"], "not 'My Device'"),
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
