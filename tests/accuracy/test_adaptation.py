"""What a few trained networks show of the others, against the accuracies of real tables."""

import warnings

import numpy as np
import pytest

from nas import AccuracyModel, Architecture
from nas.accuracy import Prediction
from nas.accuracy.table import FOLDER, read_accuracy_table
from nas.support.errors import NasWarning

Pairs = list[tuple[Architecture, float]]
RECIPES = (("published", "imgclsmob"), ("small", "one_pass"))


def rows(name: str, recipe: str) -> Pairs:
    table = read_accuracy_table(FOLDER / f"{name}.csv")
    return [(row.architecture(), row.accuracy) for row in table.rows if row.recipe == recipe]


def split(pairs: Pairs, count: int, seed: int = 0) -> tuple[Pairs, Pairs]:
    """So many at random to learn from, and up to 60 others."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    return [pairs[i] for i in order[:count]], [pairs[i] for i in order[count : count + 60]]


def predicted(model: AccuracyModel, pairs: Pairs) -> list[Prediction]:
    return model.predict_many([arch for arch, _ in pairs])


def held(found: list[Prediction], pairs: Pairs) -> float:
    """The share of the accuracies within their intervals."""
    return float(np.mean([p.low <= y <= p.high for p, (_, y) in zip(found, pairs, strict=True)]))


@pytest.mark.parametrize("count", [3, 5, 10])
def test_intervals_of_few_networks_are_wide_enough_and_no_wider(count: int) -> None:
    shares = []
    for table, recipe in RECIPES:
        pairs, model = rows(table, recipe), AccuracyModel.load([table])
        for seed in range(20):
            known, others = split(pairs, count, seed)
            shares.append(held(predicted(model.adapt(known), others), others))
    assert 0.86 < np.mean(shares) < 0.95


@pytest.mark.parametrize(("table", "recipe"), RECIPES)
def test_networks_that_are_alike_do_not_show_that_all_are(table: str, recipe: str) -> None:
    """Three that the prior takes for equally good, of all parts of the table."""
    pairs, model = rows(table, recipe), AccuracyModel.load([table])
    values = [found.value for found in predicted(model, pairs)]
    order = np.argsort(values)
    shares = []
    for first in np.linspace(0.1 * len(pairs), 0.9 * len(pairs) - 3, 25).astype(int):
        known = [pairs[i] for i in order[first : first + 3]]
        others = [pairs[i] for i in [*order[:first], *order[first + 3 :]]]
        shares.append(held(predicted(model.adapt(known), others), others))
    assert np.mean(shares) > 0.92


@pytest.mark.parametrize("wrong", [0.0, 100.0, 10.0, 0.87])  # the last a share among percents
def test_a_broken_training_bends_no_others_prediction(wrong: float) -> None:
    known, others = split(rows("small", "one_pass"), 20)
    model = AccuracyModel.load(["small"])
    (broken, _), *whole = known
    with pytest.warns(
        NasWarning, match="1 of 20 accuracies to learn from say nothing of the"
    ) as said:
        bent = model.adapt([(broken, wrong), *whole])
    assert [str(w.message).count("\n") for w in said] == [0]
    straight = model.adapt(whole)
    for found, sound in zip(predicted(bent, others), predicted(straight, others), strict=True):
        assert found == pytest.approx(sound, abs=1e-6)
    # Its own accuracy is what it was; or, if that was an accident, what the others say.
    own, said_by_others = bent.predict(broken), straight.predict(broken)
    assert own.value == pytest.approx(max(min(wrong, 99.99), 0.1), abs=0.01)
    assert own.low - 1e-6 <= said_by_others.value <= own.high + 1e-6


def test_another_training_of_a_network_counts_where_one_broke() -> None:
    known, _ = split(rows("small", "one_pass"), 20)
    model = AccuracyModel.load(["small"])
    with pytest.warns(NasWarning, match="1 of 21"):
        found = model.adapt([*known, (known[0][0], 10.0)]).predict(known[0][0])
    assert found == pytest.approx(model.adapt(known).predict(known[0][0]))


def test_many_that_are_far_have_something_in_common() -> None:
    """As where a third of the networks cannot be trained by the recipe: they count."""
    known, _ = split(rows("small", "one_pass"), 18)
    low = [(arch, 30.0 if i % 3 == 0 else accuracy) for i, (arch, accuracy) in enumerate(known)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapted = AccuracyModel.load(["small"]).adapt(low)
    assert np.mean([p.value for p in predicted(adapted, low)]) < 80


@pytest.mark.parametrize(
    ("name", "recipe"), [*RECIPES, ("cifar10", "chenyaofo"), ("small", "long_8")]
)
def test_no_network_of_a_real_table_is_far(name: str, recipe: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", NasWarning)
        AccuracyModel.load([name]).adapt(rows(name, recipe))


def test_a_row_that_is_there_twice_counts_once() -> None:
    known, others = split(rows("small", "one_pass"), 20)
    model = AccuracyModel.load(["small"])
    once, thrice = model.adapt(known), model.adapt([*known, *known[::-1], *known])
    assert predicted(thrice, others) == predicted(once, others)


@pytest.mark.parametrize("seeds", [1, 3])
def test_other_trainings_of_a_network_do_not_make_intervals_narrow(seeds: int) -> None:
    """Trainings that are alike, of networks that are not."""
    pairs, model, shares = rows("small", "one_pass"), AccuracyModel.load(["small"]), []
    for seed in range(8):
        known, others = split(pairs, 20, seed)
        rng = np.random.default_rng(seed)
        again = [(a, y + rng.normal(0, 0.2)) for a, y in known for _ in range(seeds)]
        shares.append(held(predicted(model.adapt(again), others), others))
    assert np.mean(shares) > 0.84


@pytest.mark.parametrize(("table", "recipe"), RECIPES)
def test_networks_that_are_all_good_show_less_of_the_others(table: str, recipe: str) -> None:
    """As of a user who trains what was predicted to be good."""
    pairs, model = rows(table, recipe), AccuracyModel.load([table])
    order = np.argsort([-found.value for found in predicted(model, pairs)])
    best, others = ([pairs[i] for i in part] for part in np.split(order, [len(order) // 3]))
    shares = []
    for seed in range(6):
        chosen = np.random.default_rng(seed).choice(len(best), 20, replace=False)
        found = predicted(model.adapt([best[i] for i in chosen]), others)
        shares.append(held(found, others))
    assert np.mean(shares) > 0.86


def test_errors_that_are_given_as_accuracies_are_told() -> None:
    known, _ = split(rows("small", "one_pass"), 20)
    model = AccuracyModel.load(["small"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", NasWarning)
        model.adapt(known)
    with pytest.warns(NasWarning, match="fall where networks are expected to be better"):
        model.adapt([(arch, 100 - accuracy) for arch, accuracy in known])
