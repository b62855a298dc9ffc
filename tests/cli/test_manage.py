"""`nas studies`: nothing is lost that was not asked for; and the same search goes on."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Run
from stores import place

from nas.cli import tables
from nas.cli.console import console
from nas.latency import Target
from nas.references import reference
from nas.study import Study, begin
from nas.study.config import config_path
from nas.study.storage.storage import Storage

SEARCH = ("search", "--target", "jetson", "--budget", "15M", "--space", "small", "--trials", "3")


@pytest.fixture(params=["journal", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # where the folders of what is in a database are
    where = place(request.param, tmp_path)
    for name in ("a", "b"):
        study = begin("jetson", ["15M"], "small", name=name, storage=where, trials=2)
        folder = study.folder("finalists") / "trial-0"
        folder.mkdir(parents=True)
        (folder / "model").write_text(name)
    return where


def test_removing_takes_what_was_named_and_no_more(run: Run, storage: str) -> None:
    folders = {n: Study.load(n, storage).folder("finalists") for n in ("a", "b")}
    code, out, err = run("studies", "rm", "a", "--storage", storage)
    assert (code, out) == (2, "")
    assert "'a'" in err
    assert "trained networks 1" in err
    assert "--yes" in err
    assert Storage(storage).names() == ["a", "b"]
    assert run("studies", "rm", "a", "none", "--yes", "--storage", storage)[0] == 2
    assert Storage(storage).names() == ["a", "b"]
    assert run("studies", "rm", "a", "--yes", "--storage", storage)[:2] == (0, "removed: a\n")
    assert Storage(storage).names() == ["b"]
    assert not folders["a"].exists()
    assert (folders["b"] / "trial-0" / "model").read_text() == "b"


def test_renaming_keeps_everything(run: Run, storage: str) -> None:
    assert run("resume", "a", "--storage", storage)[0] == 0
    before = json.loads(run("show", "a", "--json", "--storage", storage)[1])
    code, out, err = run("studies", "rename", "a", "b", "--storage", storage)
    assert (code, out) == (2, "")
    assert "exists" in err
    assert run("studies", "rename", "a", "c/d", "--storage", storage)[0] == 2
    assert run("studies", "rename", "a", "c", "--storage", storage)[0] == 0
    assert Storage(storage).names() == ["b", "c"]
    after = json.loads(run("show", "c", "--json", "--storage", storage)[1])
    assert after == {**before, "study": "c"}
    renamed = Study.load("c", storage)
    assert (renamed.folder("finalists") / "trial-0" / "model").read_text() == "a"
    path = config_path(renamed)
    assert path is None or (path.exists() and not path.with_name("a.yaml").exists())
    assert run("resume", "c", "--trials", "1", "--storage", storage)[0] == 0


def test_a_study_that_is_driven_is_let_be(run: Run, storage: str) -> None:
    with Storage(storage).driven("a"):
        for words in (["rm", "a", "--yes"], ["rename", "a", "c"]):
            code, _, err = run("studies", *words, "--storage", storage)
            assert code == 2
            assert "is being searched" in err
    assert Storage(storage).names() == ["a", "b"]


def test_a_damaged_study_can_be_removed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "bad.journal").write_text("{]\n")
    assert "damaged" in run("studies", "rm", "bad", "--yes")[2]
    assert list((tmp_path / "studies").glob("*.journal")) == []


def test_the_list_has_dates_as_text_and_as_json(run: Run) -> None:
    assert run(*SEARCH, "--study", "s", "--quiet")[::2] == (0, "")
    (facts,) = json.loads(run("studies", "--json")[1])
    assert (facts["study"], facts["trials"], facts["goal"]) == ("s", 3, 3)
    assert facts["changed"][:10] in run("studies")[1]


def test_the_same_search_again_goes_on_and_another_says_why_not(run: Run) -> None:
    assert run(*SEARCH, "-q")[0] == 0
    name = "small-jetson-agx-xavier-15m"
    code, out, err = run(*SEARCH)
    assert code == 0
    assert f"going on with study '{name}', which has 3 trials" in err
    assert json.loads(run(*SEARCH[:-1], "5", "--json")[1])["trials"] == 5
    assert Storage().names() == [name]
    code, out, err = run(*SEARCH, "--seed", "1", "--json")
    assert f"study '{name}' is of another search: seed 0, not 1; this one is '{name}-2'" in err
    assert json.loads(out)["study"] == f"{name}-2"
    code, _, err = run(*SEARCH, "--seed", "2", "--study", name)
    assert code == 2
    assert "seed 0, not 2; go on with it: nas resume" in err
    assert run(*SEARCH, "--seed", "1", "-q")[0] == 0
    assert Storage().names() == [name, f"{name}-2"]


@pytest.mark.parametrize("storage", [(), ("--storage", "kept")])
def test_what_is_said_to_begin_a_search_anew_does(run: Run, storage: tuple[str, ...]) -> None:
    name, where = "small-jetson-agx-xavier-15m", storage[-1] if storage else None
    out = run(*SEARCH, *storage)[1]
    for number in (2, 3):
        (anew,) = re.findall("begin it anew: +nas (.*)", out)
        code, out, err = run(*shlex.split(anew))
        assert (code, err.count("going on")) == (0, 0)
        assert Storage(where).names()[-1] == f"{name}-{number}" in anew
        out = run("resume", name, "--trials", "1", *storage)[1]
    trials = [Study.load(each, where).tally().trials for each in Storage(where).names()]
    assert trials == [5, 3, 3]


@pytest.mark.parametrize("words", [["-h"], ["show", "-h"], ["studies", "rm", "-h"]])
def test_h_is_help(run: Run, words: list[str]) -> None:
    code, out, _ = run(*words)
    assert code == 0
    assert out.startswith("Usage: nas")
    assert len(words) == 1 or "--quiet" in out


@pytest.mark.parametrize(
    "words",
    [["targets"], ["spaces", "small"], ["references"], ["proxies"], ["describe", "resnet18"]],
)
def test_what_answers_answers_as_json(run: Run, words: list[str]) -> None:
    code, out, _ = run(*words, "--json")
    assert code == 0
    assert json.loads(out)


def test_a_shell_completes_commands_and_names(storage: str) -> None:
    def completed(*words: str) -> list[str]:
        place = {"COMP_WORDS": " ".join(["nas", *words]), "COMP_CWORD": str(len(words))}
        asked = {**os.environ, **place, "_NAS_COMPLETE": "complete_bash", "NAS_STORAGE": storage}
        command = [sys.executable, "-m", "nas"]
        return subprocess.run(command, env=asked, capture_output=True, text=True).stdout.split()

    assert completed("show", "") == ["a", "b"]
    assert completed("search", "--target", "raspberry-pi-4") == ["raspberry-pi-4"]
    assert completed("stud") == ["studies"]


def test_names_stay_whole_on_a_terminal_of_60_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "mobile-x86-avx512-ort-300mflops-2"
    wide = console()
    wide.width = 60
    monkeypatch.setattr(tables, "console", lambda: wide)
    columns = ("study", "best", "trials", "space")
    rows = [(name, "75.6% predicted", "600/600", "small"), ("b", "–", "0/5", "mobile")]
    tables.show(tables.table(columns, rows, left=4, fold=("best",), minor=("space", "trials")))
    out = capsys.readouterr().out
    assert name in out.split()
    assert "75.6%" in out
    assert "no room for: space" in out
    assert max(map(len, out.splitlines())) <= 60


def test_a_network_on_a_terminal_of_40_columns_loses_columns_and_not_their_contents(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = console()
    narrow.width = 40
    monkeypatch.setattr(tables, "console", lambda: narrow)
    tables.show(tables.layers_table(reference("mobilenet_v2_100"), Target.load("jetson")))
    heads, out = (lines := capsys.readouterr().out.splitlines())[0], " ".join(lines)
    assert "settings" not in heads
    assert re.search(r"no room for: .*settings", out)
