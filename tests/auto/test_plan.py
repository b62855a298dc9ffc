"""How the time is divided: sums of what the plan says must be done stay within it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.auto.plan import (
    CHILDREN,
    EVALUATED,
    FEWEST_BRIEF_STEPS,
    FINAL,
    FINALISTS,
    LEARN,
    MORE,
    TRANSFERRED,
    Counts,
    affordable_seconds,
    children,
    final_recipe,
    planned,
    searched_steps,
    seconds_of,
    transfer_recipe,
)
from nas.cli.options import read_minutes
from nas.study.settings import FINE_TUNING
from nas.support.errors import NasError
from nas.training import Recipe
from nas.training.recipe import LONGEST, TRANSFER

COUNTS = st.integers(20, 100_000)
MINUTES = st.floats(1, 600)


@given(images=COUNTS, share=st.floats(0.05, 0.5), minutes=MINUTES, each=st.floats(1e-6, 0.1))
def test_what_is_planned_takes_no_more_than_its_share_or_is_the_least(
    images: int, share: float, minutes: float, each: float
) -> None:
    validation = round(share * images)
    plan = planned(Counts(images, validation), each, minutes, 0, ("1ms",))
    one = seconds_of(plan.brief, Counts(images, validation), each)
    assert plan.learn * one <= LEARN * 60 * minutes * 1.01
    assert not plan.learn or plan.brief.images == images
    assert plan.finalists == 1 or (plan.finalists + 1) * one <= FINALISTS * 60 * minutes * 1.01
    assert plan.final_seconds == pytest.approx(60 * minutes * (FINAL + LEARN * (not plan.learn)))
    assert plan.brief.images is not None
    assert plan.brief.images >= plan.brief.batch_size
    plan.brief.check(images)
    whole = planned(Counts(images, validation), each, None, 0, ("1ms",))
    reduced = plan.model_copy(update={"cut": (), "minutes": None}) != whole
    assert reduced == bool(plan.cut)


@given(images=st.integers(100, 2000), minutes=MINUTES, slower=st.floats(1, 8))
def test_small_batches_that_take_longer_are_planned_so(
    images: int, minutes: float, slower: float
) -> None:
    counts, each = Counts(images, images // 5), 1e-2
    plan = planned(counts, each, minutes, 0, ("1ms",), slower)
    suited = counts.suited(Recipe())
    assert (plan.slower == 1) or plan.slower == slower
    assert (plan.slower > 1) <= (plan.brief.batch_size < suited.batch_size)
    one = seconds_of(plan.brief, counts, each * plan.slower)
    within = (plan.finalists + 1) * one <= FINALISTS * 60 * minutes * 1.01
    assert within or (plan.finalists == 1 and plan.brief.batch_size == suited.batch_size)


@given(images=COUNTS, minutes=MINUTES)
def test_networks_as_quick_as_the_time_allows_are_trained_for_every_step(
    images: int, minutes: float
) -> None:
    each = affordable_seconds(Counts(images, 0), minutes)
    suited = Recipe().suited(images)
    whole = suited.epochs * (images // suited.batch_size) * suited.batch_size
    assert whole * each <= FINAL * 60 * minutes * 1.01


@given(images=COUNTS, validation=COUNTS, seconds=st.floats(0, 1e5), each=st.floats(1e-6, 0.1))
def test_the_last_training_fits_or_is_left_out(
    images: int, validation: int, seconds: float, each: float
) -> None:
    brief = Recipe().suited(images)
    recipe, cut = final_recipe(Counts(images, validation), each, seconds, brief)
    unlimited, nothing = final_recipe(Counts(images, validation), each, None, brief)
    assert unlimited is not None
    assert nothing is None
    counts, had = Counts(images, validation), brief.epochs * images
    if recipe is None:
        affordable = seconds / each
        assert affordable < MORE * had + EVALUATED * validation * brief.epochs * MORE + images * 2
        return
    assert seconds_of(recipe, counts, each) <= seconds * 1.001
    assert (cut is None) == (recipe.epochs >= unlimited.epochs)
    assert recipe.epochs <= LONGEST * brief.epochs
    recipe.check(images)
    one_more = recipe.changed(epochs=recipe.epochs + 1)
    if recipe.epochs < LONGEST * brief.epochs:
        assert seconds_of(one_more, counts, each) > seconds * 0.999


@given(images=COUNTS, minutes=MINUTES, each=st.floats(1e-6, 0.1), spent=st.floats(0, 1e5))
def test_checks_have_time_however_long_the_training(
    images: int, minutes: float, each: float, spent: float
) -> None:
    counts = Counts(images, images // 10)
    plan, seconds = planned(counts, each, minutes, 0, ("1ms",)), 60 * minutes
    left = plan.left(counts, minutes, spent)
    passes = 4 * EVALUATED * counts.validation * each  # torch, onnxruntime, int8, the report
    assert seconds - spent - left >= min(0.079 * seconds, 60 + passes) or left == 0
    assert seconds - spent - left <= 0.081 * seconds or left == 0


def test_the_winner_is_trained_on_what_images_there_is_time_for() -> None:
    counts = Counts(54_000, 6_000)
    brief = Recipe(epochs=9, images=500)
    recipe, cut = final_recipe(counts, 0.001, 48, brief)
    assert recipe is not None
    assert (recipe.epochs, recipe.images) == (1, 46_500)
    assert cut == "the winner is trained on these images once, 46500 of 54000 of them"
    assert final_recipe(counts, 0.001, 8, brief)[0] is None  # 6,500 images; it has had 4,500


@given(COUNTS)
def test_photographs_are_trained_on_in_small_batches(images: int) -> None:
    counts = Counts(images, images // 5, 224**2)
    brief = planned(counts, 1e-3, 60, 0, ("1ms",)).brief
    last, _ = final_recipe(counts, 1e-3, None, brief)
    assert last is not None
    assert brief.batch_size <= last.batch_size <= 32
    assert Recipe(batch_size=brief.batch_size, lr=brief.lr) == Recipe().batched(
        brief.images or images, 224**2
    )


@given(COUNTS)
def test_few_images_are_trained_on_in_small_batches_for_many_epochs(images: int) -> None:
    recipe = Recipe().suited(images)
    recipe.check(images)
    assert recipe.epochs >= 20
    assert recipe.epochs * (images // recipe.batch_size) >= 1200
    assert recipe.lr / recipe.batch_size == Recipe().lr / Recipe().batch_size


def test_times_are_read_as_people_write_them() -> None:
    assert [read_minutes(t) for t in ("90s", "30m", "2h", "1h30m", "1.5h", "5min", "1d")] == [
        1.5, 30, 120, 90, 90, 5, 1440,
    ]  # fmt: skip


@given(images=COUNTS, share=st.floats(0.05, 0.5), minutes=MINUTES, each=st.floats(1e-6, 1))
def test_a_transfer_fits_its_share_or_is_refused(
    images: int, share: float, minutes: float, each: float
) -> None:
    validation, whole = round(share * images), TRANSFER.suited(images)
    allowed = TRANSFERRED * 60 * minutes
    try:
        recipe, cut = transfer_recipe("net", Counts(images, validation), each, minutes, 0)
    except NasError as error:
        least = min(images, FEWEST_BRIEF_STEPS * whole.batch_size)
        assert each * (least + EVALUATED * validation) > allowed * 0.99
        needed = int(str(error).split("at least ")[1].split("m ")[0])
        assert transfer_recipe("net", Counts(images, validation), each, needed * 1.001, 0)[1]
        return
    recipe.check(images)
    assert seconds_of(recipe, Counts(images, validation), each) <= allowed * 1.01
    assert (cut is None) == (recipe == whole)
    assert transfer_recipe("net", Counts(images, validation), None, None, 0) == (whole, None)


@given(images=COUNTS, minutes=MINUTES, slow=st.floats(1, 1000))
def test_pruning_a_slower_network_looks_at_fewer_children_and_images(
    images: int, minutes: float, slow: float
) -> None:
    plan = planned(Counts(images, images // 5), 1e-3, minutes, 0, ("1ms",))
    suited = FINE_TUNING.suited(images)
    quick, slower = (plan.fine_tuning(suited, s) for s in (None, 1e-3 * slow))
    assert quick.images == plan.brief.images
    slower.check(images)
    least = 2 * plan.brief.batch_size
    assert slower.images is not None
    assert plan.brief.images is not None
    assert slower.images <= least or slow * slower.images <= plan.brief.images + slow
    assert children(minutes, 1e-3 * slow) <= children(minutes, 1e-3) <= CHILDREN
    assert children(None, None) == CHILDREN


@given(images=COUNTS, minutes=MINUTES, each=st.floats(1e-6, 0.1))
def test_what_learns_nothing_searches_for_what_is_best_in_the_end(
    images: int, minutes: float, each: float
) -> None:
    plan = planned(Counts(images, images // 5), each, minutes, 0, ("1ms",))
    counts = Counts(images, images // 5)
    steps = searched_steps(plan, counts)
    brief, whole = plan.brief.steps(images), Recipe().suited(images).steps(images)
    assert searched_steps(plan.model_copy(update={"minutes": None}), counts) == brief
    if plan.learn:
        assert steps == brief
    else:
        assert 0 < steps <= whole
        ample = plan.model_copy(update={"minutes": 1e9})
        assert searched_steps(ample, counts) == whole
