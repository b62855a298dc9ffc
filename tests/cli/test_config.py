"""`nas search --config`, and the file that every study leaves for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Run
from tiny import TINY

import nas
from nas.study import Study, begin

FACTS = {"version", "target_checksum"}
SMALL: dict[str, Any] = {
    "target": "jetson",
    "budget": "15M",
    "space": "small",
    "trials": 3,
    "proxies": "entropy",
}


def write(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def options(study: Study) -> dict[str, Any]:
    return study.settings.model_dump(exclude=FACTS)


def test_the_file_that_a_study_leaves_makes_the_same_study(run: Run, tmp_path: Path) -> None:
    (tmp_path / "first.json").write_text(nas.SearchSpace.load("small").sample(5).to_json())
    write(tmp_path / "short.yaml", {"epochs": 1, "lr": 1e-5})
    words = "search --target jetson --budget 15M --budget 2ms --space small --trials 6 --seed 7"
    more = "--proxies params,entropy --objective latency --objective macs --study a"
    given = "--start-from first.json --recipe short.yaml"
    assert run(*words.split(), *more.split(), *given.split())[0] == 0
    (tmp_path / "first.json").unlink()
    (tmp_path / "short.yaml").unlink()
    code, out, _ = run("search", "--config", "studies/a.yaml", "--study", "b")
    assert code == 0
    assert "nas search --config studies/b.yaml" in out
    first, second = Study.load("a"), Study.load("b")
    assert len(first.settings.start_from) == 1
    assert options(first) == options(second)
    assert [t.values for t in first.trials()] == [t.values for t in second.trials()]
    texts = [(tmp_path / "studies" / f"{n}.yaml").read_text().splitlines() for n in "ab"]
    assert texts[0][1:] == texts[1][1:]


def test_data_plugins_and_variants_stay_what_they_were(run: Run, tmp_path: Path) -> None:
    plugin = "from nas.proxies import proxy\n\n\n@proxy('{0}', paper='', cost='', failure='')\n"
    plugin += "def own(probe):\n    return float(len(probe.layers))\n"
    (tmp_path / "own.py").write_text(plugin.format("of_config"))
    words = "--target jetson --space small --data digits --trials 2 --plugin own.py --study a"
    assert run("search", *words.split(), "--proxies", "of_config")[0] == 0
    elsewhere = tmp_path / "elsewhere" / "copy.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text((tmp_path / "studies" / "a.yaml").read_text())
    assert run("search", "--config", str(elsewhere), "--study", "b")[0] == 0
    assert options(Study.load("a")) == options(Study.load("b"))


def test_the_command_line_comes_before_the_file(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "c.yaml", {**SMALL, "seed": 5, "study": "a", "budget": ["15M", "2ms"]})
    assert run("search", "--config", "c.yaml", "--seed", "6", "--budget", "1.5ms")[0] == 0
    settings = Study.load("a").settings
    assert (settings.seed, settings.budgets, settings.trials) == (6, ("1.5ms",), 3)


def test_paths_start_from_the_file_and_names_stay_names(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "there"
    write(folder / "tiny.yaml", TINY)
    write(folder / "short.yaml", {"epochs": 3})
    (folder / "one.json").write_text(nas.SearchSpace.from_dict(TINY).sample(0).to_json())
    paths = {
        "space": "tiny.yaml",
        "recipe": "short.yaml",
        "storage": "kept",
        "start-from": "one.json",
    }
    write(folder / "c.yaml", {**SMALL, "budget": [], "study": "a", **paths})
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    assert run("search", "--config", "there/c.yaml")[0] == 0
    study = Study.load("a", str(folder / "kept"))
    assert (study.space.name, study.settings.recipe.epochs) == ("tiny", 3)
    assert study.settings.target == "jetson-agx-xavier"
    assert len(study.settings.start_from) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"bugdet": 3}, "config c.yaml: bugdet: unknown setting; did you mean 'budget'?"),
        ({"start_from": "a"}, "did you mean 'start-from'"),
        ({"config": "c.yaml"}, "config: unknown setting"),
        ({"trials": "3"}, "trials: should be a valid integer, not '3'"),
        ({"trials": 0}, "trials: should be greater than or equal to 1, not 0"),
        ({"target": ["cpu"]}, "target: should be a valid string, not ['cpu']"),
        ({"budget": [15]}, "budget.0: should be a valid string, not 15"),
        ({"space": {}}, "space: name: Field required"),
        ({"space": "none.yaml"}, "search space none.yaml: No such file"),
        ({"recipe": {"lrr": 1}}, "recipe: lrr: unknown setting; did you mean 'lr'?"),
        ({"start-from": {"colour": 1}}, "'colour' is unknown"),
        ({"start-from": {"resolution": 29}}, "resolution 29 is none of 28, 32"),
        ({"plugin": "none.py"}, "none.py: No such file"),
        ({"data": "digts"}, "did you mean 'digits'"),
        (["trials"], "must be a mapping of options, not list"),
        ("trials", "must be a mapping of options, not str"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(run: Run, tmp_path: Path, data: Any, said: str) -> None:
    write(tmp_path / "c.yaml", {**SMALL, **data} if isinstance(data, dict) else data)
    code, out, err = run("search", "--config", "c.yaml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_a_file_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    write(own, TINY)
    before = own.read_text()
    made = begin("jetson", [], own, name="mine", storage=str(tmp_path), proxies=["entropy"])
    assert own.read_text() == before
    assert Study.load("mine", str(tmp_path)).settings == made.settings


def test_a_study_in_a_database_shows_its_file(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "c.yaml", {**SMALL, "storage": "sqlite:///nas.db", "study": "a"})
    assert run("search", "--config", "c.yaml")[0] == 0
    code, out, _ = run("show", "a", "--storage", "sqlite:///nas.db", "--config")
    assert code == 0
    assert not (tmp_path / "a.yaml").exists()
    (tmp_path / "d.yaml").write_text(out)
    assert run("search", "--config", "d.yaml", "--study", "b")[0] == 0
    assert options(Study.load("b")) == options(Study.load("a", "sqlite:///nas.db"))


def test_without_its_file_a_study_is_whole(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "c.yaml", {**SMALL, "study": "a"})
    assert run("search", "--config", "c.yaml")[0] == 0
    before = run("studies")
    (tmp_path / "studies" / "a.yaml").unlink()
    assert run("studies") == before
    assert "search --config" not in run("resume", "a", "--trials", "1")[1]
    assert len(Study.load("a").trials()) == 4
