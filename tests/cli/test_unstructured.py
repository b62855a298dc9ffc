"""`nas prune --unstructured` and `nas criteria`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import onnxruntime
import pytest
from commands import Run
from safetensors.torch import load_file, save_file

from nas.architecture import Architecture
from nas.blocks import Block
from nas.cli.prune import CHILDREN_ALONE, ZEROS_ALONE, prune
from nas.formats.verified import initialised
from nas.pruning.criteria import CRITERIA

NET = Architecture(
    8,
    (Block("conv", out=8),),
    ((Block("inverted", out=8, hidden=16),),),
    (Block("gap"), Block("linear", out=10)),
    channels=1,
)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    (tmp_path / "net.json").write_text(NET.to_json())
    save_file(initialised(NET).state_dict(), tmp_path / "w.safetensors")
    return ["prune", "net.json", "--weights", "w.safetensors", "--data", "digits", "-o", "out"]


def test_weights_become_zero_and_the_report_is_plain(
    run: Run, words: list[str], tmp_path: Path
) -> None:
    code, out, err = run(*words, "--unstructured", "magnitude", "--sparsity", "0.75")
    assert code == 0, err
    assert "75.0% of the weights of convolutions and linear layers are zero" in out
    assert "none is saved on dense hardware" in out
    state = load_file(tmp_path / "out" / "model.safetensors")
    weights = [v for k, v in state.items() if v.dim() > 1 and "depthwise" not in k]
    zeros = sum(int((w == 0).sum()) for w in weights)
    assert zeros / sum(w.numel() for w in weights) == pytest.approx(0.75, abs=0.01)
    onnxruntime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    code, out, err = run(*words[:-1], "json", "--unstructured", "magnitude", "--json")
    assert code == 0, err
    assert json.loads(out)["sparsity"] == pytest.approx(0.5, abs=0.01)
    code, _, err = run(*words, "--unstructured", "obs", "--pattern", "2:4")
    assert code == 2
    assert "holds a model.safetensors that is of no training there" in err


def test_branches_are_pruned_as_they_are_exported(run: Run, tmp_path: Path) -> None:
    rows = (Block("repvgg", out=8),)
    arch = Architecture(8, (Block("conv", out=8),), (rows,), NET.head, channels=1)
    (tmp_path / "net.json").write_text(arch.to_json())
    save_file(initialised(arch).state_dict(), tmp_path / "w.safetensors")
    words = ["prune", "net.json", "--weights", "w.safetensors", "--data", "digits", "-o", "out"]
    code, _, err = run(*words, "--unstructured", "magnitude", "--pattern", "1:4")
    assert code == 0, err
    weight = load_file(tmp_path / "out" / "model.safetensors")["stages.0.0.conv.conv.weight"]
    assert ((weight != 0).view(8, 2, 4, 9).sum(2) == 1).all()


def test_the_epsilon_of_the_weights_counts(run: Run, words: list[str], tmp_path: Path) -> None:
    state = initialised(NET).state_dict()  # under other names, as another program's
    save_file({f"net.{k}": v for k, v in state.items()}, tmp_path / "w.safetensors")
    code, _, err = run(*words, "--unstructured", "magnitude", "--norm-eps", "0.5")
    assert code == 0, err
    found = load_file(tmp_path / "out" / "model.safetensors")["stem.0.conv.norm.running_var"]
    assert found.tolist() == pytest.approx(
        [v + 0.5 - 1e-5 for v in state["stem.0.conv.norm.running_var"].tolist()]
    )


def test_every_option_is_of_one_way_to_prune_or_of_both() -> None:
    names = inspect.signature(prune).parameters
    assert {*CHILDREN_ALONE, *ZEROS_ALONE} < names.keys()


def test_mistakes_are_one_line(run: Run, words: list[str]) -> None:
    zeros = ["--unstructured", "magnitude"]
    for more, text in (
        ([], "--budget is needed, or --unstructured"),
        (["--unstructured", "obx"], "did you mean 'obs'"),
        (["--unstructured", "obs", "--pattern", "4:2"], "must be n:m"),
        (["--budget", "1ms", "--pattern", "2:4"], "--pattern: of --unstructured alone"),
        (["--budget", "1ms", "--sparsity", "0.5"], "--sparsity: of --unstructured alone"),
        (
            [*zeros, "--budget", "1ms", "--criterion", "l3", "--trials", "9", "--finalists", "1"],
            "nas: --budget, --criterion, --trials, --finalists: of no use with --unstructured",
        ),
        ([*zeros, "--pattern", "2:4", "--sparsity", "0.5"], "--sparsity: a --pattern says"),
        ([*zeros, "--ratios", "search"], "--ratios: of no use with --unstructured"),
    ):
        code, _, err = run(*words, *more)
        assert code == 2
        assert text in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["obx"], "did you mean 'obs'"),
        (["obs", "--sparsity", "1"], "sparsity 1.0 must be above 0 and below 1"),
        (["obs", "--pattern", "4:2"], "must be n:m"),
        (["obs", "-o", "net.json"], "net.json is no folder"),
    ],
)
def test_what_needs_no_data_is_said_before_they_are_read(
    more: list[str], said: str, run: Run, words: list[str]
) -> None:
    words[words.index("digits")] = "no such data"
    code, _, err = run(*words, "--unstructured", *more)
    assert code == 2
    assert said in err


def test_every_criterion_is_listed(run: Run) -> None:
    code, out, _ = run("criteria")
    assert code == 0
    assert set(CRITERIA) <= set(out.split())
    listed = json.loads(run("criteria", "--json")[1])
    assert {c["name"] for c in listed} == set(CRITERIA)
    assert all(c["source"] and c["failure"] for c in listed)
