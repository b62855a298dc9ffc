"""`nas score`: a network's scores, and a study's as its search combined them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Run

import nas
from nas.proxies import DEFAULT, PROXIES, Proxy, UndefinedScore, evaluate

SEARCH = ("search", "--target", "jetson", "--budget", "15M", "--space", "small", "--trials", "6")


def test_a_reference_network_by_the_default(run: Run) -> None:
    code, out, _ = run("score", "shufflenet_v2_x0_5", "--resolution", "32", "--json")
    arch = nas.reference("shufflenet_v2_x0_5", resolution=32)
    assert code == 0
    assert json.loads(out) == [
        {"network": arch.name, "scores": evaluate(arch, DEFAULT), "reasons": {}}
    ]


def test_a_file_by_named_proxies(run: Run, tmp_path: Path) -> None:
    arch = nas.reference("squeezenet1_1", resolution=64)
    (tmp_path / "a.json").write_text(arch.to_json())
    code, out, _ = run(
        "score", str(tmp_path / "a.json"), "--proxies", "params, macs", "--seed", "3"
    )
    assert code == 0
    lines = {words[0]: words[-1] for line in out.splitlines() if (words := line.split())}
    assert float(lines["params"]) == pytest.approx(nas.cost(arch).params, rel=1e-4)
    assert float(lines["macs"]) == pytest.approx(nas.cost(arch).macs, rel=1e-4)
    assert "one wide layer buys it" in out


def test_a_study_scores_as_its_search_did(run: Run) -> None:
    assert run(*SEARCH, "--proxies", "params,entropy", "--study", "s", "--seed", "5")[0] == 0
    study = nas.Study.load("s")
    (best,) = json.loads(run("score", "s", "--json")[1])
    assert best["score"] == pytest.approx(study.record().score)
    assert best["scores"] == pytest.approx(study.record().scores)
    front = json.loads(run("score", "s", "--front", "--json")[1])
    assert [row["score"] for row in front] == pytest.approx([r.score for r in study.pareto()])
    printed = run("score", "s", "--front")[1].splitlines()
    assert printed[0].split() == ["network", "combined", "params", "entropy"]
    assert sum(line.startswith("s-") for line in printed) == len(front)
    (other,) = json.loads(run("score", "s", "--proxies", "params", "--json")[1])
    assert set(other) == {"network", "scores", "reasons"}


def test_an_undefined_score_has_its_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def undefined(probe: object) -> float:
        raise UndefinedScore("it is Tuesday")

    monkeypatch.setitem(PROXIES, "mine", Proxy("mine", "none", undefined))
    code, out, _ = run("score", "squeezenet1_1", "--proxies", "mine,params")
    assert code == 0
    assert "squeezenet1_1: proxy 'mine' is undefined: it is Tuesday" in out
    found = json.loads(run("score", "squeezenet1_1", "--proxies", "mine", "--json")[1])
    assert found[0]["scores"] == {"mine": None}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["squeezenet1_2"], "did you mean 'squeezenet1_1'"),
        (["squeezenet1_1", "--proxies", "synflw"], "did you mean 'synflow'"),
        (["squeezenet1_1", "--front"], "'squeezenet1_1' is no study"),
        (["squeezenet1_1", "--seed", "-1"], "'-1'"),
        (["squeezenet1_1", "--resolution", "0"], "0"),
        (["none.json"], "none.json"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: list[str], message: str) -> None:
    code, out, err = run("score", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
