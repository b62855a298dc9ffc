"""A wrong type at a public function is one line that shows it, and no error of what is inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import nas
import nas.plugins
from nas.costs import graph_cost
from nas.data import load_data
from nas.data.fit import fit_architecture
from nas.formats.onnx_import import read_onnx
from nas.proxies import score
from nas.study.pruned import begin_pruning
from nas.study.storage.storage import Storage
from nas.training import Recipe, Trained, train
from nas.training.export import export_trained
from nas.training.export_int8 import export_int8

SPACE = nas.SearchSpace.load("small")


def searched(**options: Any) -> object:
    budgets, target = options.pop("budgets", ["15M"]), options.pop("target", "jetson")
    return nas.search(target, budgets, "small", **options)


def pruned(parent: Any, **options: Any) -> object:
    given = {"weights": "w.pt", "target": "jetson", "budgets": ["1M"], "data": DATA}
    return begin_pruning(parent, **{**given, **options})


def loaded(**options: Any) -> object:
    return nas.create_model("lcnet_050", **options)


@cache
def brief() -> Trained:
    return train(FITTING, DATA, Recipe(epochs=1, images=64))


TARGET, MODEL = nas.Target.load("jetson"), nas.AccuracyModel.load()
DATA = load_data("digits")
FITTING = fit_architecture(SPACE.sample(0), DATA)
NOISE = torch.zeros(2, 3, 8, 8)
CALLS: list[tuple[Callable[..., object], Any, str]] = [
    (nas.Target.load, None, "target must be a name or a path, as Target.name is one, not None"),
    (lambda seed: SPACE.sample(seed), -1, "seed must be a whole number"),
    (lambda seed: SPACE.sample(seed), 1.5, "seed must be a whole number"),
    (lambda seed: nas.build(SPACE.sample(0), seed), "x", "seed must be a whole number"),
    (lambda seed: nas.to_onnx(SPACE.sample(0), seed=seed), -1, "seed must be a whole number"),
    (lambda arch: SPACE.encode(arch), "net", "'net' is no architecture"),
    (lambda params: SPACE.decode(params), "net", "an assignment must be a mapping"),
    (nas.cost, "net", "'net' is no architecture; nas.reference"),
    (nas.build, None, "None is no architecture"),
    (nas.to_onnx, "net", "'net' is no architecture"),
    (nas.create_model, 3, "a network must be text"),
    (nas.Architecture.from_json, 3, "must be JSON text, not 3"),
    (nas.Study.load, None, "study must be text"),
    (lambda storage: nas.Study.load("s", storage), 3, "storage must be a folder"),
    (lambda target: searched(target=target), 3, "target must be a name"),
    (lambda budgets: searched(budgets=budgets), 3, "budgets must be texts"),
    (lambda budgets: searched(budgets=budgets), [None], "a budget must be text"),
    (lambda name: searched(name=name), 3, "study name must be text"),
    (lambda start: searched(start_from=start), 3, "start_from must be a list"),
    (lambda start: searched(start_from=start), [nas.build], "start_from must be a list"),
    (lambda names: searched(objectives=names), 3, "search: objectives: .* not 3"),
    (lambda names: score(nas.build(SPACE.sample(0)), NOISE, names), 3, "proxies must be a list"),
    (lambda seed: SPACE.sample(seed), np.arange(3), "seed must be a whole number"),
    (nas.cost, np.eye(2), r"array\(\[\[1., 0.\], \[0., 1.\]\]\) is no architecture"),
    (lambda recipe: searched(data="digits", learn=8, recipe=recipe), "fast", "recipe must be"),
    (lambda recipe: searched(data="digits", recipe=recipe), {"epochs": 2}, "recipe must be"),
    (lambda trials: searched(trials=trials), "30", "search: trials: .* not '30'"),
    (lambda trials: searched(trials=trials), 0, "search: trials: .* not 0"),
    (lambda report: searched(report=report), 5, "report must be a function .* not 5"),
    (lambda opset: nas.to_onnx(SPACE.sample(0), opset=opset), "18", "opset must be a whole number"),
    (lambda one: nas.to_onnx(SPACE.sample(0), one), "net", "module must be a torch module"),
    (lambda name: nas.calibrate([], name=name), None, "name of a target must be text, not None"),
    (lambda nets: list(TARGET.predict_all(nets)), SPACE.sample(0), "predict_all must be given a l"),
    (lambda nets: MODEL.predict_many(nets), SPACE.sample(0), "predict_many must be given a list"),
    (lambda net: MODEL.predict(net), "net", "'net' is no network"),
    (lambda net: train(net, DATA), "net", "training: 'net' is no architecture"),
    (lambda data: train(SPACE.sample(0), data), "digits", "data must be a data set, as nas.data"),
    (lambda recipe: train(FITTING, DATA, recipe), {"epochs": 2}, "recipe must be a Recipe"),
    (lambda net: pruned(net), "net", "'net' is no architecture"),
    (lambda data: pruned(FITTING, data=data), "digits", "data must be a data set, as nas.data"),
    (lambda recipe: pruned(FITTING, recipe=recipe), {"epochs": 2}, "recipe must be a Recipe"),
    (lambda weights: pruned(FITTING, weights=weights), None, "weights must be the path of a file"),
    (lambda count: pruned(FITTING, finalists=count), "1", "finalists '1': at least one"),
    (lambda net: score(net, NOISE), SPACE.sample(0), "module must be a torch module"),
    (lambda batch: score(nas.build(SPACE.sample(0)), batch), np.eye(2), "batch must be a torch"),
    (lambda seed: score(nas.build(SPACE.sample(0)), NOISE, seed=seed), "0", "seed must be a whole"),
    (MODEL.benchmark, None, "classes must be a whole number of 1 to 1000000000, not None"),
    (MODEL.benchmark, 0, "classes must be a whole number of 1 to 1000000000, not 0"),
    (MODEL.benchmark, 10**400, "classes must be a whole number of 1 to 1000000000, not 1000"),
    (MODEL.gains, "net", "'net' is no network"),
    (lambda file: loaded(weights=file), 5, "weights must be text or a Path, not 5"),
    (
        lambda file: loaded(weights=file),
        ["w.pt"],
        r"weights must be text or a Path, not \['w.pt'\]",
    ),
    (lambda eps: loaded(weights="w.pt", norm_eps=eps), "1e-3", "norm_eps must be a number, not '1"),
    (lambda one: export_trained(one, DATA, "a.onnx"), FITTING, "trained must be a training, as Tr"),
    (lambda one: export_int8(one, DATA, Path("a.onnx")), "net", "trained must be a training, as T"),
    (lambda data: export_trained(brief(), data, "a.onnx"), "digits", "data must be a data set, as"),
    (lambda data: export_int8(brief(), data, Path("a.onnx")), None, "data must be a data set, as"),
]


@pytest.mark.parametrize(("call", "value", "said"), CALLS)
def test_a_wrong_type_is_one_line(
    call: Callable[..., object],
    value: Any,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nas.NasError, match=said) as raised:
        call(value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_of_numpy_is_a_seed() -> None:
    seed: Any = np.int64(3)
    arch = SPACE.sample(seed)
    assert arch == SPACE.sample(3)
    made = zip(nas.build(arch, seed).parameters(), nas.build(arch, 3).parameters(), strict=True)
    assert all(bool((one == other).all()) for one, other in made)
    assert nas.build(arch, (1 << 63) + 1)


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    three: Any = np.int64(3)
    size: Any = np.int64(96)
    assert nas.reference("resnet18", three, size) == nas.reference("resnet18", 3, 96)
    assert nas.create_model("lcnet_050", num_classes=three)
    assert nas.AccuracyModel.load().trained_for(three)
    assert (
        Recipe(epochs=three, images=three).model_dump_json()
        == Recipe(epochs=3, images=3).model_dump_json()
    )
    with pytest.raises(nas.NasError, match=r"of 1 to 65536, not True"):
        nas.create_model("lcnet_050", num_classes=True)
    with pytest.raises(nas.NasError, match=r"epochs: .* not True"):
        Recipe(epochs=True)


def test_a_row_of_a_frame_of_trials_is_an_assignment(tmp_path: Path) -> None:
    options: Any = {"storage": str(tmp_path), "trials": 4, "sampler": "random"}
    study = searched(**options)
    assert isinstance(study, nas.Study)
    row = study.trials_dataframe().filter(like="params_").iloc[3]
    assigned = {str(name).removeprefix("params_"): value for name, value in row.items()}
    assert any(isinstance(value, np.generic) for value in assigned.values())
    assert study.space.decode(assigned) == study.record(3).arch
    again = searched(**options, start_from=[assigned], name="again")
    assert isinstance(again, nas.Study)
    assert again.record(0).arch == study.record(3).arch


def test_rows_of_a_frame_are_pairs() -> None:
    archs = [SPACE.sample(i) for i in range(3)]
    rows = pd.DataFrame({"network": archs, "value": [71.0, 72.0, 73.0]}).to_numpy()
    assert nas.AccuracyModel.load().adapt(rows).predict(SPACE.sample(5)).value > 60


def test_a_path_may_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = Recipe(epochs=1, images=64)
    trained = train(FITTING, DATA, recipe, output="~/net")
    assert Trained.load("net").history == Trained.load(tmp_path / "net").history == trained.history
    export_trained(trained, DATA, "net/model.onnx")
    assert nas.cost(FITTING).macs == graph_cost(read_onnx("net/model.onnx").graph()).macs
    study = searched(storage=tmp_path / "kept", trials=1, name="one")
    assert isinstance(study, nas.Study)
    for name in (tmp_path / "kept/one.journal", "~/kept/one.journal"):
        assert nas.Study.load(name).record().arch == study.record().arch
    assert nas.Study.load("one", tmp_path / "kept").name == "one"
    (tmp_path / "mine.py").write_text("x = 1\n")
    with pytest.raises(nas.NasError, match=r"mine\.py: registers nothing"):
        nas.plugins.load("~/mine.py")


def test_one_text_is_a_list_of_one_and_a_network_may_be_what_to_start_from(tmp_path: Path) -> None:
    options: Any = {"storage": str(tmp_path), "trials": 1, "sampler": "random"}
    arch = searched(**options).record().arch  # type: ignore[attr-defined]
    study = searched(
        **options, name="one", objectives="macs", proxies="width", start_from=SPACE.sample(5)
    )
    assert isinstance(study, nas.Study)
    assert (study.settings.objectives, study.settings.proxies) == (("macs",), ("width",))
    listed = searched(**options, name="listed", start_from=[arch])
    assert isinstance(listed, nas.Study)
    assert listed.record(0).arch == arch
    assert list(score(nas.build(arch), NOISE, names="synflow")) == ["synflow"]


def test_a_trial_is_a_number(tmp_path: Path) -> None:
    options: Any = {"storage": str(tmp_path), "trials": 2}
    study: Any = searched(**options)
    assert study.record(np.int64(1)).trial == 1
    with pytest.raises(nas.NasError, match=r"a trial must be a whole number .* not '1'"):
        study.record("1")


def test_a_path_is_a_storage_and_one_name_is_what_to_start_from(tmp_path: Path) -> None:
    options: Any = {"storage": tmp_path / "kept", "start_from": "mobilenet_v2_100", "trials": 1}
    searched(**options)
    assert len(Storage(str(tmp_path / "kept")).names()) == 1
