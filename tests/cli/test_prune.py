"""`nas prune` from a training's folder to an exported child, and its mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import Run
from onnxruntime import InferenceSession
from parents import ARCH, trained_parent

from nas.costs import cost
from nas.measures import format_measure

COMMON = ("--data", "digits", "--budget", "0.35MFLOPs", "-o", "small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_parent(tmp_path_factory.mktemp("parent") / "net")


def test_from_a_training_to_an_exported_child(folder: Path, run: Run, tmp_path: Path) -> None:
    words = ("--trials", "6", "--finalists", "1", "--epochs", "1", "--study", "p")
    code, out, err = run("prune", str(folder), *COMMON, *words)
    assert code == 0, err
    assert "inherited accuracy" in out
    assert "predicted accuracy" not in out
    assert "the best child" in out
    code, out, _ = run("show", "p")
    assert code == 0
    assert "inherited accuracy" in out
    assert run("show", "p", "--json")[0] == 0
    assert run("studies")[0] == 0
    assert run("report", "p", "-o", "p.html")[0] == 0
    page = (tmp_path / "p.html").read_text()
    assert "<p>Inherited accuracy " in page
    assert "redicted accuracy" not in page
    assert "Predicted against measured accuracy" not in page
    code, out, err = run("export", "small")
    assert code == 0, err
    assert (tmp_path / "small/model.onnx").exists()
    shutil.rmtree(tmp_path / "small")
    code, out, err = run("resume", "p", "--trials", "2", "--json")
    assert code == 0, err
    assert json.loads(out)["output"] == str(tmp_path / "small")
    assert (tmp_path / "small/training.json").exists()
    for file in ("child.onnx", "child.pt2"):
        code, out, err = run("export", "p", "-o", file)
        assert code == 0, err
        assert "inherited" in out
    image = np.random.default_rng(0).random((1, 1, 8, 8), dtype=np.float32)
    session = InferenceSession("child.onnx")
    (onnx,) = session.run(None, {session.get_inputs()[0].name: image})
    torch_s = torch.export.load("child.pt2").module()(torch.from_numpy(image))
    assert np.allclose(onnx, torch_s.detach().numpy(), atol=1e-4)


def test_the_same_command_goes_on(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("prune", str(folder), *COMMON, "--finalists", "1", "--epochs", "1", "--trials")

    def killed(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:  # before the finalists are tuned, then before the output
        patch.setattr("nas.study.finalists.run_finalists", killed)
        assert run(*words, "4")[0] == 9
    with monkeypatch.context() as patch:
        patch.setattr("nas.study.pruned.write_best", killed)
        code, _, err = run(*words, "5")
        assert code == 9
        assert "going on with study 'pruned-net-x86-avx512-ort-0.35mflops', which has 4" in err
    for _ in range(2):
        code, _, err = run(*words, "5")
        assert code == 0, err
        assert "which has 5 trials" in err
        (tmp_path / "small/training.json").rename("written")  # as if killed before it was there
    Path("written").rename(tmp_path / "small/training.json")
    assert len(list((tmp_path / "studies").glob("*.journal"))) == 1
    before = (tmp_path / "small/training.json").read_bytes()
    code, out, err = run(*words, "5")  # finished: it says so, and what is there stays
    assert code == 0, err
    assert "has its 5 trials; add more" in err
    assert "the best child" in out
    assert (tmp_path / "small/training.json").read_bytes() == before
    (tmp_path / "small/training.json").write_bytes((folder / "training.json").read_bytes())
    code, _, err = run(*words, "5")  # another training
    assert code == 2
    assert "small holds a training already" in err


def test_where_no_child_can_be_fine_tuned_it_ends_with_an_error(
    folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("prune", str(folder), *COMMON, "--finalists", "1", "--epochs", "1", "--trials", "4")

    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError("no memory is left")

    for options in ((), ("--json",)):
        with monkeypatch.context() as patch:
            patch.setattr("nas.training.train", without_memory)
            code, out, err = run(*words, *options)
        assert code == 2
        assert err.splitlines()[-1] == "nas: no finalist could be trained: no memory is left"
    assert json.loads(out)["output"] is None
    assert run(*words)[0] == 0  # the same command tries again
    assert (tmp_path / "small/training.json").exists()


def test_mistakes_are_one_line(folder: Path, run: Run, tmp_path: Path) -> None:
    state = json.loads((folder / "training.json").read_text())
    classes = state["data"]["classes"]
    for name, changed in (("other", ["nought", *classes[1:]]), ("fewer", classes[:9])):
        shutil.copytree(folder, tmp_path / name)
        state["data"]["classes"] = changed
        (tmp_path / name / "training.json").write_text(json.dumps(state))
    cases = [
        (("prune", "mobilenet_v2_100", *COMMON), "is not trained"),
        (("prune", str(folder), *COMMON, "--criterion", "l3"), "criterion 'l3' is unknown"),
        (("prune", str(folder), *COMMON, "--ratios", "all"), "ratio mode 'all' is unknown"),
        (("prune", str(folder), *COMMON, "--weights", "none.pt"), "none.pt"),
        (("prune", str(folder), *COMMON, "--divisor", "0"), "divisor: should be greater than"),
        (("prune", str(folder), *COMMON, "--norm-eps", "0"), "norm_eps: should be greater than 0"),
        (("prune", str(folder), *COMMON, "--trials", "0"), "trials: should be greater than"),
        (
            ("prune", str(folder), *COMMON, "--resolution", "9x8"),
            "--resolution 9x8: a training has",
        ),
        (("prune", "other", *COMMON), "training other is of other classes than digits: 'nought'"),
        (("prune", "fewer", *COMMON), "training fewer has 9 classes, data set digits 10"),
    ]
    for words, message in cases:
        code, _, err = run(*words)
        assert code == 2, words
        assert message in err.splitlines()[-1], err
        assert "Traceback" not in err
    code, _, err = run("prune", "nowhere", "--data", "no-data", "--budget", "1ms", "-o", "small")
    assert (code, err.count("\n")) == (2, 1)  # before data are read, which may take minutes
    assert "network 'nowhere' is unknown" in err
    (tmp_path / "small").mkdir()
    (tmp_path / "small/model.onnx").write_text("somebody's")
    code, _, err = run("prune", str(folder), *COMMON)
    assert code == 2
    assert "choose another folder" in err


def test_a_parent_within_budget_is_not_pruned(folder: Path, run: Run, tmp_path: Path) -> None:
    words = ("prune", str(folder), "--data", "digits", "-o", "small", "--budget", "9MFLOPs")
    code, _, err = run(*words, "--budget", "9ms")
    assert code == 2
    macs = format_measure("macs", cost(ARCH).macs)
    assert err.splitlines()[-1].startswith(
        f"nas: net meets the budget on target 'x86-avx512-ort' already, with {macs} of "
        "9MFLOPs and 0.0"
    )
    assert not (tmp_path / "studies").exists()
    code, _, err = run(*words, "--budget", "1nsram")
    assert "unknown unit" in err
    code, _, err = run(*words, "--budget", "1MBsram")
    assert "says nothing of sram" in err
    code, _, err = run(*words, "--budget", "2kparams", "--trials", "1", "--finalists", "0")
    assert "at least one child" in err  # one of two budgets is enough to prune for


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--budget is needed, or --unstructured"),
        (("--budget", "1x"), "unknown unit 'x'"),
        (("--budget", "1ms", "--criterion", "l3"), "criterion 'l3' is unknown"),
        (("--budget", "1ms", "--ratios", "all"), "ratio mode 'all' is unknown"),
        (("--budget", "1ms", "--finalists", "0"), "at least one child must be fine-tuned"),
        (("--budget", "1ms", "--target", "jetsn"), "did you mean 'jetson'"),
        (("--budget", "1ms", "--study", "foo bar"), "study name 'foo bar'"),
        (("--budget", "1ms", "--weights", "gone.pt"), "gone.pt: No such file"),
        (("--budget", "1ms", "--recipe", "gone.yaml"), "gone.yaml: No such file"),
    ],
)
def test_mistakes_are_said_before_data_are_read(
    run: Run, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run("prune", "net", "--data", "no such data", "-o", "small", *words)
    assert code == 2
    assert said in err


def test_an_unfinished_parent_is_refused(folder: Path, run: Run, tmp_path: Path) -> None:
    text = (folder / "training.json").read_text()
    half = tmp_path / "half"
    half.mkdir()
    state = json.loads(text)
    state |= {"finished": False, "history": [], "tensors": None}
    (half / "training.json").write_text(json.dumps(state))
    code, _, err = run("prune", str(half), *COMMON)
    assert code == 2
    assert "0 of 3 epochs are trained" in err
