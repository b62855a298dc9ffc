"""`nas proxies`, and a search with proxies of one's own choice or making."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from commands import Run

import nas
import nas.proxies
from nas.proxies import DEFAULT, PROXIES

SEARCH = ("search", "--target", "jetson", "--budget", "15M", "--space", "small", "--trials", "3")


def test_every_proxy_is_listed_and_the_default_marked(run: Run) -> None:
    code, out, _ = run("proxies")
    assert code == 0
    assert set(PROXIES) <= set(out.split())
    listed = json.loads(run("proxies", "--json")[1])
    assert {p["name"] for p in listed} == set(PROXIES)
    assert {p["name"] for p in listed if p["default"]} == set(DEFAULT)


def test_a_search_scores_by_the_proxies_it_is_given(run: Run) -> None:
    code, out, _ = run(*SEARCH, "--proxies", "params, entropy", "--study", "s")
    assert code == 0
    assert "log ranks of params, entropy" in out
    study = nas.Study.load("s")
    assert study.settings.proxies == ("params", "entropy")
    for record in study.records():
        assert set(record.scores) == {"params", "entropy"}
        assert record.scores["params"] == record.params


def test_a_space_may_name_its_own_proxies(run: Run, tmp_path: Path) -> None:
    space = nas.SearchSpace.load("small").to_dict() | {"proxies": ["width", "params"]}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(space))
    words = [str(path) if word == "small" else word for word in SEARCH]
    assert run(*words, "--study", "s")[0] == 0
    assert nas.Study.load("s").settings.proxies == ("width", "params")
    assert run(*words, "--study", "t", "--proxies", "macs")[0] == 0
    assert nas.Study.load("t").settings.proxies == ("macs",)
    path.write_text(yaml.safe_dump(space | {"proxies": ["widht"]}))
    code, _, err = run(*words)
    assert (code, err.count("\n")) == (2, 1)
    assert "did you mean 'width'" in err


def test_an_unknown_proxy_is_one_line(run: Run) -> None:
    code, out, err = run(*SEARCH, "--proxies", "synflw")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "did you mean 'synflow'" in err


def test_a_proxy_that_raises_fails_its_trials_only(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_for_some(probe: nas.proxies.Probe) -> float:
        assert probe.arch is not None
        return {32: 1.0, 48: 2.0, 64: 3.0}[int(probe.arch.resolution)]

    monkeypatch.setitem(PROXIES, "mine", nas.proxies.Proxy("mine", "none", broken_for_some))
    words = [*SEARCH[:-1], "30", "--sampler", "random", "--proxies", "mine", "--study", "s"]
    assert run(*words)[0] == 0
    study = nas.Study.load("s")
    reasons = {t.user_attrs.get("reason") for t in study.trials()}
    assert reasons == {None, "proxy 'mine' failed: KeyError: 28"}
    assert len(study.trials()) == 30
