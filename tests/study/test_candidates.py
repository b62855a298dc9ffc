"""Every proposal is bent into every budget, and budgets that cannot be met are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.budget import parse_budgets
from nas.latency import Target
from nas.measures import MEASURES, OF_TARGET
from nas.space import SearchSpace
from nas.study.candidates import Candidates
from nas.support.errors import NasError

SPACE, TARGET = SearchSpace.load("mobile"), Target.load("jetson")
BUDGETS = parse_budgets(["60MFLOPs", "2Mparams", "1.5MB", "7MBweights", "3ms"])
WITHIN = Candidates(SPACE, TARGET, BUDGETS)  # the smallest networks are sought but once


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_choice_ends_within_all_budgets(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    params = SPACE.sample_params(rng)
    chosen = {name: value for name, value in params.items() if rng.random() < share}
    found = WITHIN.feasible(chosen, rng)
    assert found is not None
    for budget in BUDGETS:
        assert found.value(budget.measure) <= budget.limit
    assert found.arch == SPACE.decode(found.assignment)


def test_a_choice_within_budget_is_left_alone() -> None:
    rng = np.random.default_rng(0)
    params = SPACE.sample_params(rng)
    found = Candidates(SPACE, TARGET, parse_budgets(["100GFLOPs"])).feasible(params, rng)
    assert found is not None
    assert found.assignment == params


def test_of_what_a_count_rules_out_no_latency_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted: list[object] = []
    monkeypatch.setattr(Target, "predict", lambda self, arch: predicted.append(arch))
    candidates = Candidates(SPACE, TARGET, parse_budgets(["60MFLOPs"]))
    assert candidates.feasible({}, np.random.default_rng(0))
    assert not predicted


def test_repair_moves_few_options() -> None:
    rng = np.random.default_rng(1)
    candidates = Candidates(SPACE, TARGET, parse_budgets(["100MFLOPs"]))
    params = {name: values[-1] for name, values in SPACE.options.items()}
    found = candidates.feasible(params, rng)
    assert found is not None
    anchor = candidates.anchors["macs"].params
    assert all(v in (params[k], anchor[k]) for k, v in found.assignment.items())
    assert any(found.assignment[k] == params[k] != anchor[k] for k in params)


def test_the_budget_that_is_broken_most_is_repaired_first() -> None:
    """After that the other holds as well, so that nothing moves to what is smallest in its peak."""
    candidates = Candidates(SPACE, TARGET, parse_budgets(["3.1MB", "20MFLOPs"]))
    macs, peak = (candidates.anchors[measure].params for measure in ("macs", "peak_bytes"))
    params = {name: values[-1] for name, values in SPACE.options.items()}
    assert set(candidates.excess(candidates.make(params))) == {"macs", "peak_bytes"}
    telling = [k for k in params if peak[k] not in (macs[k], params[k])]
    for seed in range(20):
        found = candidates.feasible(params, np.random.default_rng(seed))
        assert found is not None
        assert all(found.assignment[k] in (params[k], macs[k]) for k in telling)
    assert telling


@pytest.mark.parametrize("measure", ["macs", "params", "peak_bytes", "weight_bytes", "latency_ms"])
def test_the_smallest_is_below_any_sample(measure: str) -> None:
    candidates = Candidates(SPACE, TARGET, ())
    least = candidates.smallest(measure)  # type: ignore[arg-type]
    assert candidates.make(least.params).value(measure) == least.value  # type: ignore[arg-type]
    rng = np.random.default_rng(2)
    samples = [candidates.make(SPACE.sample_params(rng)) for _ in range(200)]
    assert least.value <= min(s.value(measure) for s in samples)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1MFLOPs", "0.01ms", "1kparams", "1kB", "1kBweights"])
def test_impossible_budget_is_refused_with_the_smallest_value(text: str) -> None:
    with pytest.raises(NasError) as caught:
        Candidates(SPACE, TARGET, parse_budgets([text])).check()
    message = str(caught.value)
    assert repr(text) in message
    assert "smallest network of space 'mobile'" in message


def test_budgets_are_met_by_the_smallest_network() -> None:
    candidates = Candidates(SPACE, TARGET, ())
    least = int(candidates.smallest("macs").value)
    tight = Candidates(SPACE, TARGET, parse_budgets([f"{least / 1e6:.6f}MFLOPs"]))
    tight.check()
    found = tight.feasible({}, np.random.default_rng(0))
    assert found is not None
    assert found.cost.macs == least


def test_a_measure_is_never_taken_for_another() -> None:
    candidates = Candidates(SPACE, TARGET, ())
    found = candidates.make(SPACE.sample_params(np.random.default_rng(0)))
    values = {m: found.value(m) for m in MEASURES if m not in OF_TARGET}
    counts = {"macs": found.cost.macs, "params": found.cost.params}
    assert values == {
        **counts,
        "latency_ms": TARGET.predict(found.arch).ms,
        "peak_bytes": found.cost.peak_bytes / 2,  # the target's precision is fp16
        "weight_bytes": 2 * found.cost.params,
    }
    with pytest.raises(KeyError):
        candidates.smallest("energy_mj")  # type: ignore[arg-type]


def test_bytes_are_those_of_the_targets_precision() -> None:
    """An int8 target fits four times the network into a budget of bytes."""
    targets = [Target.load(name) for name in ("x86-avx512-ort", "x86-avx512-ort-int8")]
    params = SPACE.sample_params(np.random.default_rng(1))
    for measure in ("peak_bytes", "weight_bytes"):
        plain, int8 = (Candidates(SPACE, target, ()) for target in targets)
        assert plain.make(params).value(measure) == 4 * int8.make(params).value(measure)
        assert plain.smallest(measure).value == 4 * int8.smallest(measure).value
