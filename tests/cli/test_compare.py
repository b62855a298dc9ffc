"""`nas compare`: studies that are there, or samplers that are run for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import Run

from nas.study import Study

RUN = ("compare", "--samplers", "evolution,random", "--seeds", "2", "--target", "jetson")
RUN += ("--budget", "15M", "--space", "small", "--proxies", "entropy", "--storage", "kept")


def test_samplers_are_run_compared_and_drawn(run: Run) -> None:
    code, out, _ = run(*RUN, "--trials", "4", "--plot", "curves.svg")
    assert code == 0
    assert "After 4 trials each" in out
    assert Path("curves.svg").read_text().startswith("<?xml")
    names = ["small-jetson-15m-evolution-0", "small-jetson-15m-random-0"]
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
