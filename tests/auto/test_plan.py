"""How the time is divided: sums of what the plan says must be done stay within it."""

from hypothesis import given
from hypothesis import strategies as st

from nas.auto.plan import (
    EVALUATED,
    LEARN,
    MORE,
    affordable_seconds,
    final_recipe,
    planned,
    seconds_of,
)
from nas.cli.auto import read_minutes
from nas.training import Recipe

COUNTS = st.integers(20, 100_000)
MINUTES = st.floats(1, 600)


@given(images=COUNTS, share=st.floats(0.05, 0.5), minutes=MINUTES, each=st.floats(1e-6, 0.1))
def test_what_is_planned_takes_no_more_than_its_share_or_is_the_least(
    images: int, share: float, minutes: float, each: float
) -> None:
    validation = round(share * images)
    plan = planned(images, validation, each, minutes, 0, ("1ms",))
    one = seconds_of(plan.brief, images, each, validation)
    assert plan.learn == 0 or 2 / 3 * plan.learn * one <= LEARN * 60 * minutes * 1.01
    assert plan.brief.images is not None
    assert plan.brief.images >= plan.brief.batch_size
    plan.brief.check(images)
    whole = planned(images, validation, each, None, 0, ("1ms",))
    reduced = plan.model_copy(update={"cut": ()}) != whole
    assert reduced == bool(plan.cut)


@given(images=COUNTS, minutes=MINUTES)
def test_networks_as_quick_as_the_time_allows_are_trained_for_every_step(
    images: int, minutes: float
) -> None:
    each = affordable_seconds(images, minutes)
    suited = Recipe().suited(images)
    whole = suited.epochs * (images // suited.batch_size) * suited.batch_size
    assert whole * each <= 0.3 * 60 * minutes * 1.01


@given(images=COUNTS, validation=COUNTS, seconds=st.floats(0, 1e5), each=st.floats(1e-6, 0.1))
def test_the_last_training_fits_or_is_left_out(
    images: int, validation: int, seconds: float, each: float
) -> None:
    brief = Recipe().suited(images)
    recipe, cut = final_recipe(images, validation, each, seconds, brief)
    unlimited, nothing = final_recipe(images, validation, each, None, brief)
    assert unlimited is not None
    assert nothing is None
    if recipe is None:
        needed = MORE * brief.epochs * (images + EVALUATED * validation) * each
        assert seconds < needed + images * each * 2
    else:
        assert seconds_of(recipe, images, each, validation) <= seconds * 1.001
        assert (cut is None) == (recipe == unlimited)


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
