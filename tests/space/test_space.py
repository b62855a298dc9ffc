"""Spaces: what a file may say, and that every assignment of it is a network that can be built."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny import TINY, assignments

import nas
from nas.blocks import KINDS
from nas.costs import block_cost
from nas.space import SearchSpace
from nas.space.extremes import largest, smallest
from nas.space.files import space_names
from nas.support.errors import NasError


@pytest.mark.parametrize("name", space_names())
def test_shipped_spaces_sample_valid_and_different_networks(name: str) -> None:
    space = SearchSpace.load(name)
    archs = [space.sample(seed) for seed in range(50)]
    assert len({arch.hash for arch in archs}) == 50
    for arch in archs:
        assert nas.Architecture.from_json(arch.to_json()) == arch
        assert arch.classes == space.settings.classes
    assert space.sample(seed=7) == SearchSpace.load(name).sample(seed=7)


@pytest.mark.parametrize("name", space_names())
def test_shipped_spaces_use_only_legal_widths(name: str) -> None:
    space = SearchSpace.load(name)
    for seed in range(20):
        rows = [row for stage in space.sample(seed).stages for row in stage]
        widths: list[Any] = [row.get("out") for row in rows if KINDS[row.kind].searchable]
        assert all(width % space.settings.divisor == 0 for width in widths)


@pytest.mark.parametrize("measure", [0, 1, 2])
def test_extremes_equal_brute_force(measure: int) -> None:
    space = SearchSpace.from_dict(TINY)
    costs = [nas.cost(space.decode(p))[measure] for p in assignments(space)]

    def value(row: Any, shape: Any) -> int:
        return block_cost(row, shape)[0][measure]

    low, high = (f(space, value, peak=measure == 2) for f in (smallest, largest))
    assert (low.value, high.value) == (min(costs), max(costs))
    assert nas.cost(space.decode(low.params))[measure] == min(costs)
    assert nas.cost(space.decode(high.params))[measure] == max(costs)
    assert set(low.params) == set(space.options)


@pytest.mark.parametrize("kind", [name for name in KINDS if KINDS[name].searchable])
@pytest.mark.parametrize("measure", [0, 1, 2])
def test_extremes_equal_brute_force_for_every_block(kind: str, measure: int) -> None:
    values = {"expansion": [1, 2, 4], "squeeze": [0.25, 0.5], "se": [0, 0.25], "kernel": [3, 5]}
    choices = {name: v for name, v in values.items() if name in KINDS[kind].choices}
    stage = {"block": kind, "width": [8, 16], "depth": [1, 2], "stride": 2}
    data = {**TINY, "prune": [0, 0.5, 0.75], "choices": choices, "stages": [stage]}
    space = SearchSpace.from_dict(data)
    costs = [nas.cost(space.decode(p))[measure] for p in assignments(space)]

    def value(row: Any, shape: Any) -> int:
        return block_cost(row, shape)[0][measure]

    assert smallest(space, value, peak=measure == 2).value == min(costs)
    assert largest(space, value, peak=measure == 2).value == max(costs)


def test_the_smallest_latency_equals_brute_force() -> None:
    target, space = nas.Target.load("cpu"), SearchSpace.from_dict(TINY)
    networks = [target.predict(space.decode(p)).ms for p in assignments(space)]
    found = target.predict(space.decode(smallest(space, target.row_ms).params))
    # What a row takes depends a little on the row before it, which the descent does not see.
    assert found.ms == pytest.approx(min(networks), rel=0.03)


def test_impossible_combinations_are_found_when_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "groups.yaml"
    stage = {"block": "shuffle_v1", "width": [24], "depth": 2, "stride": 2}
    data = {
        **TINY,
        "choices": {"groups": [3]},
        "stages": [{"block": "depthwise", "width": 16, "depth": 1}, stage],
    }
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(NasError, match=r"groups\.yaml: a network of it is impossible"):
        SearchSpace.load(path)


def test_size_counts_the_options_of_active_layers() -> None:
    space = SearchSpace.from_dict(TINY)
    # resolution, stem, head; then width x (block settings) x pruning per depth, stage by stage
    assert space.size == (2 * 2 * 2) * (2 * (2 + 4) * (2 + 4)) * (1 * (2 + 2) * 2)


def test_spaces_of_the_same_options_are_equal() -> None:
    space, more = SearchSpace.from_dict(TINY), {**TINY, "resolution": [*TINY["resolution"], 40]}
    assert {space, SearchSpace.from_dict(space.to_dict())} == {space}
    assert len({space, SearchSpace.from_dict(more), SearchSpace.load("small")}) == 3
    assert space != "tiny"


def test_inactive_options_change_nothing() -> None:
    space = SearchSpace.from_dict(TINY)
    params = {**space.sample_params(np.random.default_rng(0)), "stage0.depth": 1}
    archs = [space.decode({**params, "stage0.prune1": prune}) for prune in (0, 0.5)]
    assert archs[0] == archs[1]


@given(st.integers(0, 2**32 - 1))
def test_optuna_samples_decode(seed: int) -> None:
    import optuna

    space = SearchSpace.load("small")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask(space.distributions)
    snapped = space.snap(trial.params)
    assert all(snapped[name] in values for name, values in space.options.items())
    assert nas.cost(space.decode(snapped)).macs > 0


def changed(path: str, value: object) -> dict[str, Any]:
    """TINY with one key set, or removed where the value is None."""
    data = deepcopy(TINY)
    *parents, last = path.split(".")
    part: Any = data
    for key in parents:
        part = part[int(key) if isinstance(part, list) else key]
    if value is None:
        del part[last]
    else:
        part[int(last) if isinstance(part, list) else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("colour", "red", "colour: unknown setting"),
        ("stages.0.colour", "red", "stages.0.colour: unknown setting"),
        ("head", None, "head"),
        ("prune", [0, 1.5], "prune.1"),
        ("prune", [0, 0], "must differ"),
        ("resolution", [], "at least one value"),
        ("resolution", [0], "resolution.0"),
        ("resolution", ["big"], "resolution.0"),
        ("stages", [], "stages"),
        ("stages.0.width", [12], "stages.0.width: 12 is no multiple of 8"),
        ("stages.0.block", ["fira"], "did you mean 'fire'"),
        ("stages.0.block", ["gap"], "must have a width"),
        ("stages.0.down", ["pool"], "stages.0.down"),
        ("stages.0.down", ["stride", {"kind": "maxpol"}], "did you mean 'maxpool'"),
        ("stages.0.down", [{"kind": "maxpool", "kernel": [2, 3]}], "has no choices"),
        ("per_layer", ["widht"], "did you mean 'width'"),
        ("stem", [{"kind": "conv", "out": [8], "kernal": 3}], "did you mean 'kernel'"),
        ("stem", [{"kind": "conv", "out": ["wide"]}], "must be of type int"),
        ("stem", [{"kind": "conv"}], "'out' is missing"),
        ("stem", {"a": []}, "stem.a"),
        ("choices", {"expansion": [float("inf")]}, "0 to 65536, not inf"),
        ("choices", {"expansion": [float("nan")]}, "0 to 65536, not nan"),
        ("choices", {"expansion": [-3]}, "0 to 65536, not -3"),
        ("stages.0.width", [10**60], "less than or equal to 65536"),
        ("stages.0.depth", [100000], "less than or equal to 100"),
        ("stages.0.choices", {"kernal": [3]}, "did you mean 'kernel'"),
        ("choices", {"kernel": ["wide"]}, "'wide' must be int"),
        ("choices", {"se": [0]}, None),
        ("choices", {"dilation": [2]}, "'dilation' is unknown"),
        ("stages.0.choices", {"act": ["rely"]}, "did you mean 'relu"),
        ("stages.0.choices", {"kernel": [0]}, "kernel (0, 0)"),
    ],
)
def test_a_wrong_setting_names_key_and_rule(path: str, value: object, said: str | None) -> None:
    data = changed(path, value)
    if said is None:
        assert SearchSpace.from_dict(data).size > 0
        return
    with pytest.raises(NasError) as caught:
        SearchSpace.from_dict(data, source="my.yaml")
    assert "my.yaml" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("measure", [0, 1, 2])
def test_extremes_of_optional_stages_ways_down_and_layers(measure: int) -> None:
    pool = {"kind": "maxpool", "padding": 0, "ceil": True}
    stages: list[dict[str, Any]] = [
        {"block": "fire", "width": [8, 16], "depth": [1, 2], "down": ["stride", pool]},
        {"block": "depthwise", "width": [8, 16], "depth": [0, 1, 2], "stride": 2},
    ]
    stem = {"a": [{"kind": "conv", "out": [8, 16]}], "b": [{"kind": "conv", "out": 8}, pool]}
    choices = {"squeeze": [0.25, 0.5]}
    stages[0] |= {"block": ["fire", "shuffle"], "per_layer": ["block"]}
    extra = {"stages": stages, "stem": stem, "choices": choices, "per_layer": ["width", "squeeze"]}
    space = SearchSpace.from_dict({**TINY, "resolution": [16, 24], "prune": 0.0, **extra})
    networks = {a.hash: a for a in map(space.decode, assignments(space))}
    costs = [nas.cost(arch)[measure] for arch in networks.values()]

    def value(row: Any, shape: Any) -> int:
        return block_cost(row, shape)[0][measure]

    for find, limit in ((smallest, min(costs)), (largest, max(costs))):
        found = find(space, value, peak=measure == 2)
        assert found.value == limit == nas.cost(space.decode(found.params))[measure]
    assert {len(arch.stages) for arch in networks.values()} == {1, 2}
    assert all(space.decode(space.encode(a)) == a for a in list(networks.values())[::97])


@pytest.mark.parametrize("name", ["mobile", "small"])
def test_the_mixed_spaces_have_a_block_of_every_family(name: str) -> None:
    families = {"fire", "squeezenext", "ghost", "shuffle_v1", "shuffle", "depthwise", "inverted"}
    assert all(set(stage.block) == families for stage in SearchSpace.load(name).settings.stages)
