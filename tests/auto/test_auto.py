"""From data to a checked folder, by a plan that is small enough for a test."""

import html
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import onnxruntime
import pytest
import yaml
from begun import BRIEF, OPTIONS, begun
from commands import Run
from tiny import TINY

import nas
import nas.auto.run as auto_run
from nas.architecture import Architecture
from nas.auto import card, compare
from nas.auto.pilot import Pilot, largest
from nas.auto.plan import Counts, Plan
from nas.auto.result import Compared, Result, ranked
from nas.data import load_data
from nas.data.fit import fit_space
from nas.latency import Target
from nas.references.scaled import scaled
from nas.space import SearchSpace
from nas.study import Record
from nas.study.candidates import Candidate, Candidates
from nas.training import Recipe, Trained
from nas.training.checks import Untrainable

pytestmark = pytest.mark.usefixtures("few_references")


@pytest.mark.parametrize("itself", [1e-6, 3e-4])
@pytest.mark.parametrize("rate", [1e-11, 1e-10, 1e-9, 1e-8])
def test_no_network_is_timed_that_is_much_too_slow(rate: float, itself: float) -> None:
    """On a made-up machine, which takes `rate` seconds a multiply-add and some for itself. What is
    left for training is used: networks that fill it are searched."""
    data = load_data("digits", options=OPTIONS)
    space = fit_space(SearchSpace.load("small"), data)
    timed: list[float] = []

    class OnMachine(Pilot):
        def _timed(self, candidate: Candidate) -> float:
            timed.append(candidate.cost.macs)
            return rate * candidate.cost.macs + itself

    candidates, most = Candidates(space, Target.load("cpu"), ()), 1e-3
    found, seconds = OnMachine(candidates, data, Counts.of(data, [8]), 0)._affordable(most)
    most_found, whole = largest(found).cost.macs, largest(candidates).cost.macs
    least = 2 * candidates.smallest("macs").value
    assert max(timed) <= max(most / rate, least) * 1.01
    assert most_found <= max(most / rate, least) * 1.01
    if most_found != whole and rate * least + itself < most:
        assert rate * most_found + itself >= 0.6 * most
    assert seconds == pytest.approx(rate * most_found + itself, rel=0.4)


def test_a_limit_of_more_than_a_thousand_million_is_a_budget() -> None:
    class Quick(Pilot):
        def _timed(self, candidate: Candidate) -> float:
            return 1e-9 * candidate.cost.macs

    candidates = Candidates(SearchSpace.load("mobile"), Target.load("cpu"), ())
    whole = largest(candidates).cost.macs
    assert whole > 1.05e9
    data = load_data("digits", options=OPTIONS)
    found, _ = Quick(candidates, data, Counts.of(data, [8]), 0)._affordable(1e-9 * 1.03e9)
    (limit,) = found.budgets
    assert 1e9 < limit.limit < whole


def test_what_learns_slowly_wins_where_the_last_training_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = Counts.of(load_data("digits", options=OPTIONS), [8])
    plan = Plan(budgets=(), trials=1, learn=0, finalists=2, brief=BRIEF, seconds_an_image=1e-3)
    shallow, deep = (
        cast(Record, SimpleNamespace(arch=scaled("mobilenet_v2", *size), like=None, latency_ms=1))
        for size in ((1.3, 0.5), (1.0, 1.5))
    )

    def first(epochs: dict[str, int], pruned: bool = False) -> Record:
        """Where the deep one, a little less accurate so far, is trained for so many epochs more."""

        def last(folder: Path, *rest: object) -> tuple[Recipe, None]:
            return Recipe(epochs=epochs[folder.name], batch_size=32), None

        monkeypatch.setattr(compare, "last_recipe", last)
        return ranked(
            [
                compare.expected_of(record, accuracy, tmp_path / name, images, plan, pruned)
                for name, record, accuracy in (("shallow", shallow, 0.875), ("deep", deep, 0.87))
            ]
        )[0].record

    assert first({"shallow": 1000, "deep": 1000}) is deep
    assert first({"shallow": 1000, "deep": 1000}, pruned=True) is shallow
    assert first({"shallow": 10, "deep": 10}) is shallow  # both remain brief
    assert first({"shallow": 1000, "deep": 50}) is shallow  # it takes too long to train


@pytest.mark.parametrize("foreseen", [True, False])
@pytest.mark.parametrize("by_hand", [True, False])
def test_no_more_is_claimed_than_is_known(foreseen: bool, by_hand: bool) -> None:
    record = cast(Record, SimpleNamespace(latency_ms=1.0, macs=1e6, params=1e6, trial=3))
    compared = [Compared(record, 0.5, 0.9, None, Path())]
    if by_hand:
        compared.append(Compared(record, 0.4, 0.6, "ghostnet ×1", Path()))
    study = SimpleNamespace(settings=SimpleNamespace(budgets=("1ms", "2MFLOPs")))
    asked = SimpleNamespace(budgets=("1ms",))
    made = SimpleNamespace(compared=compared, study=study, foreseen=foreseen, asked=asked)
    said = card.verdict(cast(Result, made))
    if not by_hand:
        assert "no published family fits the budgets and the time" in said
        return
    assert "+10.0 points after the same brief training" in said
    assert ("+30.0 points are expected in the end" in said) == foreseen
    assert (card.compared_rows(cast(Result, made))[0][2] == "90.0%") == foreseen


def test_who_was_compared_with_none_or_saw_few_images_is_said() -> None:
    record = cast(Record, SimpleNamespace(latency_ms=1.0, macs=1e6, params=1e6, trial=3))
    one, other = (Compared(record, 0.5, 0.9, hand, Path()) for hand in (None, "ghostnet ×1"))
    data = load_data("digits", options=OPTIONS)
    whole = len(data.train.labels)
    facts = {
        "study": SimpleNamespace(settings=SimpleNamespace(recipe=BRIEF)),
        "stopped": (),
        "failed": (),
    }

    def said(compared: list[Compared], images: int) -> str:
        trained = SimpleNamespace(recipe=BRIEF.changed(images=images))
        made = SimpleNamespace(compared=compared, trained=trained, **facts)
        return " ".join(card.remarks(cast(Result, made), data))

    assert said([one, other], whole) == ""
    assert "no other network was trained beside it" in said([one], whole)
    assert f"trained on 16 of the {whole} training images" in said([one, other], 16)


def test_a_result_is_complete_and_runs_by_itself(run: Run, tmp_path: Path) -> None:
    """Also one that was killed once; in all of its stages: `scripts/kill_everything.py`."""
    words = begun(tmp_path)
    with subprocess.Popen([sys.executable, "-m", "nas", *words], cwd=tmp_path) as child:
        while child.poll() is None and not (tmp_path / "result/work/final/training.json").exists():
            time.sleep(0.01)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    code, out, err = run(*words)
    assert code == 0, err
    result = tmp_path / "result"
    session = onnxruntime.InferenceSession(result / "model.onnx")
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["classes"]) == [str(n) for n in range(10)]
    int8 = onnxruntime.InferenceSession(result / "model-int8.onnx")
    assert int8.get_inputs()[0].shape == session.get_inputs()[0].shape
    image = next((result / "examples").iterdir())
    said = subprocess.run(
        [sys.executable, str(result / "predict.py"), str(image)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert said.startswith(f"{image}: ")
    card = (result / "model_card.md").read_text()
    training = json.loads((result / "work/final/training.json").read_text())
    assert f"{training['test_accuracy']:.1%}" in card
    assert f"{training['test_accuracy']:.1%}" in out
    assert "scaled by hand" in out
    assert "too few steps to tell" in out  # two
    by_hand, *learned = (
        json.loads(path.read_bytes())["history"]
        for path in (
            result / "work/by-hand/training.json",
            *result.glob("work/*/*.learning/*/*/training.json"),
        )
    )
    assert by_hand in learned  # not trained once more
    assert re.search(r"^it took \d+\.\d minutes$", out, re.M)
    page = (result / "report.html").read_text()
    assert "What it gets wrong" in page
    lead, rest = page.split("</header>")
    rows = card.split("---|---|---|---|---|---|\n")[1]
    winner = rows.split("|")[1].strip()
    assert f"The result is {winner}, the first of " in lead  # not the search's best
    assert f"<span>test accuracy</span><b>{training['test_accuracy']:.1%}</b>" in lead
    assert "<span>measured latency</span><b>" in lead
    assert "predicted accuracy" not in lead
    drawn = rest.split("The result, row by row")[1].split("</section>")[0]
    delivered = Architecture.from_json((result / "architecture.json").read_text())
    assert drawn.count("<b>") == len(list(delivered.rows()))
    assert all(row.kind in drawn for row in delivered.rows())
    assert "The best of the search is trial" in rest
    assert "<h1>A network for digits on x86-avx512-ort</h1>" in page
    assert len(re.findall(r'class="scroll"[^>]*><table', page)) == page.count("<table")
    assert f"{training['test_accuracy']:.1%}" in page
    for command in (
        ["describe", "result"],
        ["export", "result", "-o", "again.onnx"],
        ["report", "result", "-o", "again.html"],
    ):
        code, out, err = run(*command)  # the folder is a network as any training's
        assert code == 0, err
        if command[0] == "describe":
            assert f"{training['test_accuracy']:.2%} of its test images" in out
    assert (tmp_path / "again.onnx").read_bytes()
    assert "What it gets wrong" in (tmp_path / "again.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in (result / "work").rglob("*.safetensors")}
    (command,) = re.findall(r"nas (auto .*)   # all of it, anew", html.unescape(page))
    code, out, err = run(*shlex.split(command), "--json")  # all is there: nothing is trained again
    assert code == 0, err
    told = json.loads(out)
    assert told["folder"] == "result"
    assert all((tmp_path / file).exists() for file in told["files"])
    assert "result/model.onnx" in told["files"]
    assert told["winner"] == winner
    assert told["test_accuracy"] == training["test_accuracy"]
    low, high = told["interval_ms"]
    assert low < told["predicted_ms"] < high
    assert told["measured_ms"] > 0
    assert {p: p.stat().st_mtime_ns for p in (result / "work").rglob("*.safetensors")} == before


def test_a_network_that_diverges_is_left_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, trained = begun(tmp_path), nas.training.train

    def train(*args: Any, output: Path, **rest: Any) -> Trained:
        if output.name in ("by-hand", "final"):
            raise Untrainable(f"{output.name} diverged")
        return trained(*args, output=output, **rest)

    monkeypatch.setattr(auto_run, "train", train)
    monkeypatch.setattr(auto_run, "take_over", lambda there, output: None)
    code, _, err = run(*words)
    assert code == 0, err
    assert "by-hand diverged" in err
    assert "final diverged" in err
    best = Trained.load(tmp_path / "result")
    assert len(best.history) == BRIEF.epochs  # the brief training is the result


def test_a_trained_network_is_pruned_beside_the_search(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Recipe(epochs=4, batch_size=32, images=512)
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(parent.model_dump()))
    arch = SearchSpace.from_dict(TINY, "tiny").sample(1)
    (tmp_path / "a.json").write_text(replace(arch, channels=1).to_json())
    assert run("train", "a.json", "--data", "digits", "--recipe", "r.yaml", "-o", "net")[0] == 0
    words = begun(tmp_path, parent="net")
    # So small networks are better at random: here it is always a pruned one that wins.
    monkeypatch.setattr(
        auto_run, "ranked", lambda found: tuple(sorted(found, key=lambda each: not each.pruned))
    )
    code, out, err = run(*words, "--from", "net")
    assert code == 0, err
    assert out.split("network", 1)[1].split("\n")[2].startswith("pruned, trial")
    assert "may have seen these" in out


def test_what_cannot_be_is_said_before_any_work(run: Run, tmp_path: Path) -> None:
    words = begun(tmp_path)
    wrong = [
        ([*words[:-1], "result", "--seed", "1"], "the result of --seed 0: give that"),
        ([*words[:-1], "result", "--budget", "2ms"], "the result of --budget 1ms: give that"),
        ([*words[:-1], "result", "--time", "1h"], "the result of no --time: give that"),
        ([*words[:-1], "result", "--test-share", "0.3"], "(test-share 0.15): give those"),
        ([*words[:-1], "new", "--time", "soon"], "--time 'soon'"),
        ([*words[:-1], "new", "--budget", "0.0000001MFLOPs"], "MACs"),
        ([*words[:-1], "new", "--target", "jetsn"], "did you mean 'jetson'"),
        (["auto", "--data", "nowhere", "-o", "new"], "nowhere"),
    ]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "model.onnx").write_bytes(b"mine")
    wrong.append(([*words[:-1], "own"], "model.onnx of something else"))
    for command, said in wrong:
        code, _, err = run(*command)
        assert code == 2, err
        assert said in err.strip().splitlines()[-1]
    assert (tmp_path / "own" / "model.onnx").read_bytes() == b"mine"
    assert not (tmp_path / "new" / "work" / "studies").exists()
