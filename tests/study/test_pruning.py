"""Studies that prune: children that just fit, rules for widths, finalists taught by the parent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parents import ARCH, trained_parent

from nas.budget import parse_budgets
from nas.data import DataSet, load_data
from nas.latency import Target
from nas.pruning.children import Ancestry
from nas.pruning.space import PruningSpace
from nas.report.study import study_report
from nas.resolution import Resolution, mean_side
from nas.study import Study
from nas.study.choosing import children
from nas.study.driver import Driver
from nas.study.finalists import run_finalists
from nas.study.pruned import begin_pruning, write_best
from nas.study.pruning import PruningCandidates, unbeaten
from nas.study.ratios import by_depth, by_importance, by_sensitivity
from nas.study.workers.open import open_executor
from nas.support.errors import NasError
from nas.training import Recipe, Trained

BUDGET = "0.35MFLOPs"
QUICK = Recipe(epochs=2, batch_size=32, images=320, lr=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_parent(tmp_path_factory.mktemp("parent") / "net")


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begun(folder: Path, data: DataSet, *budgets: str, **options: object) -> Study:
    chosen = {"trials": 12, "recipe": QUICK, "finalists": 2, "output": "small", **options}
    weights = folder / "model.safetensors"
    return begin_pruning(ARCH, weights, "cpu", budgets or (BUDGET,), data, **chosen)  # type: ignore[arg-type]


def test_a_search_of_children(folder: Path, data: DataSet, here: Path) -> None:
    study = begun(folder, data, name="s")
    Driver(study).run(12)
    again = Study.load("s")  # from its storage alone
    records = again.records()
    assert len(records) == 12
    assert len({record.hash for record in records}) == 12
    for record in records:
        assert record.macs <= 350_000
        assert record.score_name == "inherited accuracy"
        low, high = record.accuracy_interval or (0, 0)
        assert 0 <= low <= record.score <= high <= 100
        assert record.scores == {}
    page, _ = study_report(again)
    assert "nas resume s" in page
    assert "Inherited accuracy against latency" in page
    assert "nas search" not in page  # it was begun by nas prune
    assert again.record().to_dict()["inherited_accuracy"] == again.record().score
    # It is spent on what just fits: all but what has lost so many blocks that nothing else need go.
    deep = [r.macs for r in records if all(row.kind != "skip" for row in r.arch.rows())]
    assert len(deep) > 3
    assert sorted(deep)[len(deep) // 2] > 0.85 * 350_000, deep
    assert max(r.score for r in records) > 25  # a tenth is chance


def test_the_same_options_go_on(folder: Path, data: DataSet, here: Path) -> None:
    said: list[str] = []
    study = begun(folder, data, tell=said.append)
    Driver(study).run(3)
    assert begun(folder, data, tell=said.append, trials=20).name == study.name
    assert said == [f"going on with study '{study.name}', which has 3 trials"]
    assert begun(folder, data).name == f"{study.name}-2"  # where it is not asked for
    other = begun(folder, data, tell=said.append, criterion="l2")
    assert said[1:] == [
        f"study '{study.name}' is of another search: pruning criterion taylor_2019, not l2; this "
        f"one is '{other.name}'"
    ]
    message = f"{study.name}' is of another search: seed 0, not 1; go on with it: nas resume"
    with pytest.raises(NasError, match=message):
        begun(folder, data, tell=said.append, name=study.name, seed=1)


def test_workers_find_the_same(folder: Path, data: DataSet, here: Path) -> None:
    one, two = (begun(folder, data, name=name, trials=4) for name in ("one", "two"))
    Driver(one).run(4)
    with open_executor(2, None, ()) as (executor, slots):
        Driver(two, executor, slots).run(4)
    scores = [{r.hash: r.score for r in study.records()} for study in (one, two)]
    same = scores[0].keys() & scores[1].keys()
    assert len(same) >= 2  # those that it begins with
    assert all(scores[0][key] == scores[1][key] for key in same)


def test_finalists_begin_with_inherited_weights_and_learn_from_the_parent(
    folder: Path, data: DataSet, here: Path
) -> None:
    study = begun(folder, data, ratios="uniform", finalists=1)
    Driver(study).run(study.settings.trials)
    (record,) = study.records()
    (found,) = run_finalists(study)
    state = json.loads((found.folder / "training.json").read_text())
    assert state["teacher"] == study.settings.pruning.checksum  # type: ignore[union-attr]
    assert state["start"]
    assert 100 * found.accuracy > record.score
    out = write_best(study)
    assert out == here / "small"
    trained = Trained.load(out)
    assert trained.accuracy == found.accuracy
    assert trained.arch.hash == record.hash
    assert not list(here.glob("**/*.csv"))  # its accuracy is no example to predict by


@given(st.dictionaries(st.integers(8, 64), st.integers(0, 9), min_size=1))
def test_fewer_pixels_are_worth_it_only_where_more_is_inherited(
    best: dict[Resolution, float],
) -> None:
    sizes = sorted(best, key=mean_side, reverse=True)
    worth = [s for i, s in enumerate(sizes) if all(best[s] > best[more] for more in sizes[:i])]
    assert unbeaten(best) == worth


def test_each_such_resolution_has_its_turn_and_a_finalist(
    folder: Path, data: DataSet, here: Path
) -> None:
    study = begun(folder, data, trials=24)
    Driver(study).run(24)
    records, best = study.records(), dict[Resolution, float]()
    for record in records:
        size = record.arch.resolution
        best[size] = max(record.score, best.get(size, 0.0))
    sizes = unbeaten(best)
    assert len(best) > len(sizes)  # or nothing is tested
    rng = np.random.default_rng(0)
    turns = [study.candidates.turn(best, rng).get("resolution") for _ in range(100)]
    assert {*turns} == {*sizes, None}  # None: what the sampler says
    assert 10 < turns.count(None) < 40
    for count in (1, 2, 3, 8):
        first, *others = children(records, study.settings.objectives, count)
        assert len({record.trial for record in (first, *others)}) == count
        assert first.score == max(best.values())
        shown = [(r.arch.resolution, r.score) for r in others[: len(sizes) - 1]]
        assert shown == [(size, best[size]) for size in sizes[: min(count, len(sizes)) - 1]]
        turns = [r.arch.resolution for r in others[len(sizes) - 1 :]]
        assert set(turns[: len(sizes)]) == set(sizes[: len(turns)])
    assert children([], study.settings.objectives, 3) == []
    one = PruningSpace.of(ARCH, "one resolution", keep_resolution=True)
    assert PruningCandidates(one, study.target, ()).turn(best, rng) == {}


def test_a_rule_keeps_the_resolution(folder: Path, data: DataSet, here: Path) -> None:
    with pytest.raises(NasError, match="--ratios uniform: no such child meets the budgets"):
        begun(folder, data, "0.04MFLOPs", ratios="uniform")


def test_images_that_are_nearly_square_become_square() -> None:
    arch = replace(ARCH, resolution="16x15")
    space = PruningSpace.of(arch, "children")
    candidates = PruningCandidates(space, Target.load("cpu"), parse_budgets([BUDGET]))
    found = [child.arch.resolution for child in candidates.uniform()]
    assert found == list(space.options["resolution"])[::-1]
    assert 8 in found


def test_rules_give_children_that_just_fit(folder: Path, data: DataSet, here: Path) -> None:
    study = begun(folder, data)
    candidates = study.candidates
    assert isinstance(candidates, PruningCandidates)
    importance = {"stages.0.0.expand": [0.0] * 40 + [1.0] * 8}
    for layer in ("stages.0.1.expand", "stages.1.0.expand", "stages.1.1.conv1"):
        importance[layer] = [1.0] * 8
    scores = {
        node.name: [importance.get(node.name, [1.0])[i % len(importance.get(node.name, [1.0]))]
                    for i in range(node.shape[0])]
        for node in ARCH.graph().nodes
        if node.op == "conv"
    }  # fmt: skip
    ancestry = Ancestry(ARCH, {name: np.array(values) for name, values in scores.items()})
    wide = PruningCandidates(candidates.pruning, study.target, ())
    assert by_importance(wide, ancestry).arch == ARCH  # type: ignore[union-attr]
    pruned = by_importance(candidates, ancestry)
    uniform = candidates.uniform()[0]
    for child in (pruned, uniform):
        assert child is not None
        assert not candidates.excess(child)
        assert child.assignment["resolution"] == 8
        assert not any(child.assignment[name] for name in candidates.pruning.skips)
    assert pruned is not None
    assert pruned.assignment["stages.0.0.hidden"] < uniform.assignment["stages.0.0.hidden"]


def test_sensitive_layers_keep_more(folder: Path, data: DataSet, here: Path) -> None:
    study = begun(folder, data)
    candidates = study.candidates
    assert isinstance(candidates, PruningCandidates)

    def accuracy(archs: object) -> list[float]:
        """Only the first block's width matters."""
        return [a.stages[0][0].get("hidden") / 48 for a in archs]  # type: ignore[attr-defined]

    child = by_sensitivity(candidates, accuracy)
    assert child is not None
    assert not candidates.excess(child)
    kept = child.assignment
    assert kept["stages.0.0.hidden"] > kept["stages.0.1.hidden"]


def test_a_parent_within_budget_competes(folder: Path, data: DataSet, here: Path) -> None:
    study = begun(folder, data, "9MFLOPs")  # as `nas auto` begins it
    made = [study.candidates.make(each).arch for each in study.settings.start_from]
    assert ARCH in made


def test_blocks_that_matter_least_are_left_out_first(
    folder: Path, data: DataSet, here: Path
) -> None:
    candidates = begun(folder, data).candidates
    assert isinstance(candidates, PruningCandidates)
    first, second, third = candidates.pruning.skips

    def accuracy(archs: object) -> list[float]:
        """The earlier a block, the more its absence matters."""
        return [
            sum(
                weight * (row.kind != "skip")
                for weight, row in zip((4, 2, 0, 1), rows, strict=True)
            )
            for rows in ([row for stage in a.stages for row in stage] for a in archs)  # type: ignore[attr-defined]
        ]

    one, two, three = by_depth(candidates, accuracy)
    for child, left_out in (
        (one, {third}),
        (two, {third, second}),
        (three, {third, second, first}),
    ):
        assert {name for name in candidates.pruning.skips if child.assignment[name]} == left_out
        assert not candidates.excess(child)
        assert child.assignment["resolution"] == 8
    # What the blocks no longer take is spent on widths.
    assert two.assignment["stages.0.0.hidden"] >= one.assignment["stages.0.0.hidden"]


@pytest.mark.parametrize(
    ("budgets", "options", "message"),
    [
        ((), {"criterion": "l3"}, "criterion 'l3' is unknown .one of 18, such as l2, l1, "),
        ((), {"ratios": "serch"}, "ratio mode 'serch' is unknown; did you mean 'search'"),
        (("1kFLOPs",), {}, "cannot be met: the smallest network of space .* has 2.8 kMACs"),
        ((), {"finalists": 0}, "at least one child must be fine-tuned"),
    ],
)
def test_mistakes(
    folder: Path,
    data: DataSet,
    here: Path,
    budgets: tuple[str, ...],
    options: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(NasError, match=message):
        begun(folder, data, *budgets, **options)
    assert not (here / "studies").exists() or not list((here / "studies").glob("*.journal"))


def test_weights_of_another_network_are_refused(folder: Path, data: DataSet, here: Path) -> None:
    from dataclasses import replace

    other = replace(ARCH, stem=(ARCH.stem[0], ARCH.stem[0]))
    with pytest.raises(NasError, match=r"model\.safetensors"):
        begin_pruning(other, folder / "model.safetensors", "cpu", [BUDGET], data)
