"""The plan of the longer truth, and the published networks that are scaled by hand for it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nas import cost, reference
from nas.references.adapted import FAMILIES

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import ground_truth_long_plan as planning  # noqa: E402
from ground_truth import PLANS  # noqa: E402
from ground_truth_plan import Planned, depth  # noqa: E402
from scaled_networks import scaled  # noqa: E402

TURNS = 18
SOURCES = ("small", "deep", "scaled")


def made() -> tuple[Planned, ...]:
    """A shorter plan, from fewer candidates."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(planning, "CANDIDATES", 12)
        patched.setattr(planning, "NEAR", 4)
        patched.setattr(planning, "TURNS", TURNS)
        planning._candidates.cache_clear()
        return planning.plan.__wrapped__()


@pytest.fixture(scope="module")
def plan() -> tuple[Planned, ...]:
    return made()


def band(planned: Planned) -> float:
    mmacs = cost(planned.arch).macs / 1e6
    return min(planning.BANDS, key=lambda b: abs(mmacs / b - 1))


def test_any_beginning_is_balanced_over_bands_sources_families_and_depths(
    plan: tuple[Planned, ...],
) -> None:
    assert [planned.number for planned in plan] == list(range(3 * TURNS))
    assert len({planned.arch.hash for planned in plan}) == 3 * TURNS
    for planned in plan:
        ratio = cost(planned.arch).macs / 1e6 / band(planned)
        assert abs(ratio - 1) <= planning.TOLERANCE, planned.group
    for end in range(9, 3 * TURNS + 1, 9):
        counts = Counter((p.group.split()[0], band(p)) for p in plan[:end])
        assert counts == {(s, b): end // 9 for s in SOURCES for b in planning.BANDS}
    for end in (30, 3 * TURNS):
        groups = Counter(planned.group for planned in plan[:end])
        published = [groups[f"scaled {name}"] for name in FAMILIES]
        assert max(published) - min(published) <= 1
        assert groups["small mixed"] + groups["deep mixed"] == end // 3
        for source in ("small", "deep"):
            families = {g for g in groups if g.startswith(source)} - {f"{source} mixed"}
            assert len(families) >= 4
    for source in ("small", "deep"):
        depths = [depth(p.arch) for p in plan if p.group.startswith(source)]
        first, second = np.median(depths[: TURNS // 2]), np.median(depths[TURNS // 2 :])
        assert abs(first - second) <= 0.25 * np.median(depths)


def test_the_plan_is_always_the_same(plan: tuple[Planned, ...]) -> None:
    assert [p.arch.hash for p in made()] == [p.arch.hash for p in plan]


def test_some_networks_have_two_seeds_soon_after_each_other(
    plan: tuple[Planned, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "plan", lambda: plan)
    runs = planning.runs()
    assert len({(p.number, seed) for p, seed in runs}) == len(runs)
    places = {(planned.number, seed): i for i, (planned, seed) in enumerate(runs)}
    repeated = [number for number, seed in places if seed == 1]
    assert len(repeated) == len(plan) // planning.REPEATED
    for number in repeated:
        assert 0 < places[number, 1] - places[number, 0] <= 2 * planning.REPEATED


def test_every_family_is_there_in_every_band_at_two_depths() -> None:
    for name in FAMILIES:
        for mmacs in planning.BANDS:
            whole, half = (scaled(name, mmacs, half) for half in (False, True))
            for arch in (whole, half):
                assert cost(arch).macs / 1e6 == pytest.approx(mmacs, rel=planning.TOLERANCE)
                assert (arch.input_shape, arch.classes) == ((1, 28, 28), 10)
                sizes = [g.output_shape[1] for path, g in arch.row_graphs() if path[:3] == "sta"]
                assert sizes[-1] >= 2
                assert not any("norm" in dict(row.settings) for row in arch.rows())
            assert depth(half) < depth(whole) == depth(reference(name))
            assert 0.45 <= depth(half) / depth(whole) <= 0.65


def test_the_long_recipe_sees_every_image_eight_times_and_augments() -> None:
    recipe = PLANS["long"].recipe
    assert recipe.epochs >= 8
    assert recipe.crop > 0
    assert recipe.flip is None
    assert recipe.label_smoothing > 0
