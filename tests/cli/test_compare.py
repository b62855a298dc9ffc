"""`nas compare`: studies that are there, or samplers that are run for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import Run

from nas.cli.compare import _summary
from nas.study import Study
from nas.study.compare import Curve

RUN = (
    *("compare", "--samplers", "evolution,random", "--seeds", "2", "--target", "jetson"),
    *("--budget", "15M", "--space", "small", "--proxies", "entropy", "--storage", "kept"),
)


def test_samplers_are_run_compared_and_drawn(run: Run) -> None:
    code, out, _ = run(*RUN, "--trials", "4", "--plot", "curves.svg")
    assert code == 0
    assert "After 4 trials each" in out
    assert "neither is an accuracy" in " ".join(out.split())
    assert Path("curves.svg").read_text().startswith("<?xml")
    names = ["small-jetson-15m-entropy-evolution-0", "small-jetson-15m-entropy-random-0"]
    first = Study.load(names[0], "kept").optuna.trials
    code, out, _ = run(*RUN, "--trials", "6", "--json")  # goes on with what is there
    assert code == 0
    summary = json.loads(out)
    assert (summary["trials"], summary["baseline"]) == (6, "random")
    assert [(s["sampler"], s["studies"]) for s in summary["samplers"]] == [
        ("evolution", 2),
        ("random", 2),
    ]
    now = Study.load(names[0], "kept").optuna.trials
    assert [t.params for t in now[:4]] == [t.params for t in first]
    assert len(now) == 6
    code, out, _ = run("compare", *names, "--storage", "kept")
    assert code == 0
    assert "evolution" in out


def test_predicted_accuracies_are_called_what_they_are(run: Run, tmp_path: Path) -> None:
    words = [word for word in RUN if word not in ("--proxies", "entropy")]
    code, out, err = run(*words, "--trials", "3", "--html", "page.html")
    assert code == 0, err
    said = "cores are predicted accuracies in percent on CIFAR-10, compared as they are"
    for text in (out, (tmp_path / "page.html").read_text()):
        assert said in " ".join(text.split())
        assert "neither is an accuracy" not in text


def test_a_goal_that_most_seeds_do_not_reach_is_null() -> None:
    found = [
        Curve(sampler, seed, np.ones(3), np.linspace(0, goal, 3), np.arange(3.0))
        for sampler, goals in (("random", [2, 2, 2, 2]), ("evolution", [2, 1, 1, 1]))
        for seed, goal in enumerate(goals)
    ]
    summary = json.loads(json.dumps(_summary(found), allow_nan=False))
    assert summary["samplers"][1]["trials_to_baseline"] is None


def test_show_holds_objectives_and_hypervolume(run: Run) -> None:
    search = ("search", "--target", "jetson", "--budget", "15M", "--space", "small")
    code, out, _ = run(
        *search, "--trials", "5", "--proxies", "entropy", "--study", "s",
        "--objective", "macs", "--objective", "memory",
    )  # fmt: skip
    assert code == 0
    assert "Pareto front of score, macs and memory" in out
    facts = json.loads(run("show", "s", "--json")[1])
    assert facts["objectives"] == ["macs", "memory"]
    volumes = facts["hypervolume"]
    assert len(volumes) == 5
    assert volumes == sorted(volumes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give either studies or --samplers"),
        (("--samplers", "nsga3"), "did you mean 'nsga2'"),
        (("--samplers", "random", "--seeds", "0"), "--seeds 0: must be at least 1"),
        (("--samplers", "random", "--trials", "0"), "--trials 0: must be at least 1"),
        (("--samplers", "random", "--plot", "a.jpg"), "--plot a.jpg: must end in .png, .svg"),
        (("--samplers", "random", "--target", "jetsn"), "did you mean 'jetson'"),
        (("--samplers", "random", "--budget", "1k"), "cannot be met"),
        (("--samplers", "random", "--objective", "lat"), "objective 'lat' is unknown"),
        (("absent",), "study in 'studies': 'absent' is unknown"),
    ],
)
def test_a_mistake_is_one_line(run: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = run("compare", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
