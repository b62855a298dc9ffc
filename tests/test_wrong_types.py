"""A wrong type at a public function is one line that shows it, and no error of what is inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import nas
from nas.study.storage.storage import Storage

SPACE = nas.SearchSpace.load("small")


def searched(**options: Any) -> object:
    budgets, target = options.pop("budgets", ["15M"]), options.pop("target", "jetson")
    return nas.search(target, budgets, "small", **options)


CALLS: list[tuple[Callable[..., object], Any, str]] = [
    (nas.Target.load, None, "target must be a name or a path, not None"),
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
    (lambda start: searched(start_from=start), [SPACE.sample(0)], "start_from must be a list"),
    (lambda seed: SPACE.sample(seed), np.arange(3), "seed must be a whole number"),
    (nas.cost, np.eye(2), r"array\(\[\[1., 0.\], \[0., 1.\]\]\) is no architecture"),
    (lambda recipe: searched(data="digits", learn=8, recipe=recipe), "fast", "recipe must be"),
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


def test_rows_of_a_frame_are_pairs() -> None:
    archs = [SPACE.sample(i) for i in range(3)]
    rows = pd.DataFrame({"network": archs, "value": [71.0, 72.0, 73.0]}).to_numpy()
    assert nas.AccuracyModel.load().adapt(rows).predict(SPACE.sample(5)).value > 60


def test_a_path_is_a_storage_and_one_name_is_what_to_start_from(tmp_path: Path) -> None:
    options: Any = {"storage": tmp_path / "kept", "start_from": "mobilenet_v2_100", "trials": 1}
    searched(**options)
    assert len(Storage(str(tmp_path / "kept")).names()) == 1
