"""`AccuracyModel`: what others call."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from nas import AccuracyModel, Architecture, NasError, SearchSpace, cost, reference
from nas.accuracy.adaptation import NINE_TENTHS, Adaptation
from nas.accuracy.effects import LOCAL, local, shared
from nas.accuracy.model import BRIEFLY
from nas.accuracy.prior import sums_of
from nas.accuracy.regression import log_odds, share_of
from nas.accuracy.table import FOLDER, read_accuracy_table
from nas.imported import ImportedNetwork
from nas.references.nasbench201 import nasbench201
from nas.references.scaled import scaled
from nas.support.errors import NasWarning

SPACE = SearchSpace.load("small")
SAMPLED = [SPACE.sample(seed) for seed in range(12)]
TABLES = ("accel_nasbench", "nasbench201", "small", "published")


@pytest.fixture(scope="module")
def model() -> AccuracyModel:
    return AccuracyModel.load()


@pytest.fixture(scope="module")
def archs() -> list[Architecture]:
    return [SearchSpace.load("small").sample(seed) for seed in range(60)]


def values(model: AccuracyModel, archs: list[Architecture]) -> list[float]:
    return [found.value for found in model.predict_many(archs)]


def rows(name: str, recipe: str) -> list[tuple[Architecture, float]]:
    table = read_accuracy_table(FOLDER / f"{name}.csv")
    return [(row.architecture(), row.accuracy) for row in table.rows if row.recipe == recipe]


def test_a_prediction_is_an_accuracy_within_its_interval(
    model: AccuracyModel, archs: list[Architecture]
) -> None:
    for found in model.predict_many([*archs, reference("resnet50"), reference("alexnet")]):
        assert 0 < found.low < found.value < found.high < 100


def test_published_networks_are_ordered_as_their_publishers_say(model: AccuracyModel) -> None:
    without = AccuracyModel.load(["published"])
    for better, worse in (
        ("resnet50", "resnet18"),
        ("resnet18", "squeezenet1_1"),
        ("mobilenet_v3_large_100", "mobilenet_v3_small_100"),
        ("mobilenet_v3_large_100", "mobilenet_v2_100"),
        ("mobilenet_v2_140", "mobilenet_v2_100"),
        ("vgg16_bn", "vgg11_bn"),
        ("densenet201", "densenet121"),
    ):
        for each in (model, without):
            assert each.predict(reference(better)).value > each.predict(reference(worse)).value


def test_predictions_do_not_depend_on_what_is_predicted_beside(
    model: AccuracyModel, archs: list[Architecture]
) -> None:
    adapted = model.adapt([(arch, 80 + i / 10) for i, arch in enumerate(archs[:20])])
    for each in (model, adapted):
        together = each.predict_many(archs)
        assert [each.predict(arch) for arch in archs[:5]] == [
            pytest.approx(found, rel=1e-9) for found in together[:5]
        ]
        assert each.predict_many(archs[::-1])[::-1] == [
            pytest.approx(f, rel=1e-9) for f in together
        ]
    assert model.predict_many([]) == []


@pytest.mark.parametrize("name", TABLES)
def test_a_table_can_be_left_out(
    name: str, model: AccuracyModel, archs: list[Architecture]
) -> None:
    without = AccuracyModel.load(exclude=(name,))
    assert name not in without.fitted.slopes
    assert set(without.fitted.slopes) >= set(TABLES) - {name}
    assert values(without, archs) != values(model, archs)
    assert len(without.processes) == 2 - (name in TABLES[:2])
    assert AccuracyModel.load(exclude=name).fitted.slopes == without.fitted.slopes


def test_all_tables_can_be_left_out(archs: list[Architecture]) -> None:
    bare = AccuracyModel.load(TABLES)
    assert all(0 < value < 100 for value in values(bare, archs))


def test_a_table_that_there_is_not_is_one_line() -> None:
    with pytest.raises(NasError, match=r"accuracy table \['small'\] is unknown"):
        AccuracyModel.load([["small"]])  # type: ignore[list-item]
    with pytest.raises(NasError, match="accuracy table 'imagenet' is unknown"):
        AccuracyModel.load(["imagenet"])


# Recipes with enough networks of their own to rank.
@pytest.mark.parametrize(
    ("name", "recipe", "least"),
    [
        ("published", "imgclsmob", 0.95),
        ("published", "slim_v2", 0.95),
        ("published", "tpu_mnasnet", 0.95),
        ("published", "torchvision", 0.85),
        ("small", "one_pass", 0.8),
        ("small", "four_passes", 0.8),
        ("small", "long_8", 0.6),
        ("cifar10", "imgclsmob", 0.8),
        ("cifar100", "imgclsmob", 0.8),
        ("cifar100", "chenyaofo", 0.8),
    ],
)
def test_a_table_left_out_is_ranked_no_worse_than_by_counts(
    name: str, recipe: str, least: float
) -> None:
    archs, truth = zip(*rows(name, recipe), strict=True)
    found = float(spearmanr(values(AccuracyModel.load([name]), list(archs)), truth).statistic)
    costs = [cost(arch) for arch in archs]
    counts = [[c.macs for c in costs], [c.params for c in costs]]
    assert found > max(float(spearmanr(count, truth).statistic) for count in counts) - 0.01
    assert found > least


def test_intervals_hold_published_networks_that_were_left_out() -> None:
    names = ("imgclsmob", "timm_ra", "megvii", "slim_v3")
    archs, truth = zip(*(pair for name in names for pair in rows("published", name)), strict=True)
    found = AccuracyModel.load(["published"]).predict_many(archs)
    held = np.mean([p.low <= y <= p.high for p, y in zip(found, truth, strict=True)])
    assert 0.85 < held <= 1


def test_adaptation_beats_the_prior_and_takes_on_the_tables_level() -> None:
    pairs = rows("small", "one_pass")
    order = np.random.default_rng(0).permutation(len(pairs))
    known, others = [pairs[i] for i in order[:100]], [pairs[i] for i in order[100:]]
    truth = [accuracy for _, accuracy in others]
    model = AccuracyModel.load(["small"])
    adapted = model.adapt(known)
    archs = [arch for arch, _ in others]
    adapted_rank = spearmanr(values(adapted, archs), truth).statistic
    assert adapted_rank > spearmanr(values(model, archs), truth).statistic
    to_the_end = spearmanr(values(model.trained_for(None), archs), truth).statistic
    assert adapted_rank > to_the_end + 0.1  # nobody has said how short the trainings were
    found = adapted.predict_many(archs)
    assert np.mean([p.value for p in found]) == pytest.approx(np.mean(truth), abs=0.5)
    held = np.mean([p.low <= y <= p.high for p, y in zip(found, truth, strict=True)])
    assert 0.84 < held < 0.97
    assert model.adaptation is None  # it is what it was


def test_more_networks_make_intervals_narrower_and_known_ones_come_true() -> None:
    pairs = rows("published", "imgclsmob")
    model = AccuracyModel.load(["published"])
    few, many = model.adapt(pairs[::4]), model.adapt(pairs)
    arch, truth = pairs[0]

    def wide(each: AccuracyModel) -> float:
        found = each.predict_many([arch for arch, _ in pairs])
        return float(np.mean([p.high - p.low for p in found]))

    assert wide(many) < wide(few) < wide(model)
    assert many.predict(arch).value == pytest.approx(truth, abs=2)


def test_a_network_that_turns_out_better_is_predicted_better(
    model: AccuracyModel, archs: list[Architecture]
) -> None:
    level = [(arch, 80.0 + i % 3) for i, arch in enumerate(archs[:20])]
    raised = [(arch, accuracy + 5 * (i == 7)) for i, (arch, accuracy) in enumerate(level)]
    assert model.adapt(raised).predict(archs[7]).value > model.adapt(level).predict(archs[7]).value


def test_shares_are_answered_in_shares(model: AccuracyModel, archs: list[Architecture]) -> None:
    percent = model.adapt([(arch, 70.0 + i) for i, arch in enumerate(archs[:20])])
    share = model.adapt([(arch, (70.0 + i) / 100) for i, arch in enumerate(archs[:20])])
    assert values(share, archs) == pytest.approx([v / 100 for v in values(percent, archs)])


def test_adapting_again_starts_from_the_prior(
    model: AccuracyModel, archs: list[Architecture]
) -> None:
    one = [(arch, 60.0 + i) for i, arch in enumerate(archs[:10])]
    other = [(arch, 90.0 - i) for i, arch in enumerate(archs[10:30])]
    again = model.adapt(one).adapt(other)
    assert values(again, archs) == pytest.approx(values(model.adapt(other), archs))


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ([80.0, 81.0], "2 networks; at least 3 are needed"),
        ([80.0, 81.0, np.True_], "must be from 0 to 100 percent, or to 1 as a share, not np.True_"),
        ([80.0, 81.0, True], "must be from 0 to 100 percent, or to 1 as a share, not True"),
        ([80.0, 81.0, 120.0], "must be from 0 to 100 percent, or to 1 as a share, not 120.0"),
        ([80.0, 81.0, -1.0], "not -1.0"),
        ([80.0, 81.0, float("nan")], "not nan"),
        ([80.0, 81.0, "82"], "not '82'"),
        ([80.0, 81.0, None], "not None"),
    ],
)
def test_what_cannot_be_adapted_to_is_one_line(
    accuracies: list[Any], words: str, model: AccuracyModel, archs: list[Architecture]
) -> None:
    with pytest.raises(NasError, match=words) as caught:
        model.adapt(zip(archs, accuracies, strict=False))
    assert "\n" not in str(caught.value)


def test_what_has_no_rows_is_one_line(model: AccuracyModel, archs: list[Architecture]) -> None:
    graph = archs[0].graph()
    for wrong, words in (
        ("resnet18", "'resnet18' is no network; nas.reference"),
        (ImportedNetwork("other.onnx", graph, {}, ()), "other.onnx was not written by nas"),
    ):
        uses: tuple[Callable[[Any], object], ...] = (
            model.predict,
            model.explain,
            lambda it: model.adapt([(it, 70.0), (archs[0], 71.0), (archs[1], 72.0)]),
        )
        for use in uses:
            with pytest.raises(NasError, match=words):
                use(wrong)
    with pytest.raises(NasError, match="an architecture needs a row"):
        model.predict(Architecture(32, (), ((),), ()))


@pytest.mark.parametrize("count", [3, 60])
def test_equal_accuracies_do_not_show_that_there_is_no_noise(
    count: int, model: AccuracyModel, archs: list[Architecture]
) -> None:
    """Of 10,000 test images alone the deviation at 90% is 0.3 points."""
    for found in model.adapt([(arch, 90.0) for arch in archs[:count]]).predict_many(archs):
        assert found.high - found.low > 0.2


@pytest.mark.parametrize("start", [99.4, 0.5])
def test_accuracies_near_the_ends_stay_apart(
    start: float, model: AccuracyModel, archs: list[Architecture]
) -> None:
    """As on MNIST; near zero, as of a thousand classes after a short training."""
    pairs = [(arch, start + 0.05 * i) for i, arch in enumerate(archs[:12])]
    found = model.adapt(pairs).predict_many([arch for arch, _ in pairs])
    assert all(p.low < accuracy < p.high for p, (_, accuracy) in zip(found, pairs, strict=True))
    assert found[0].value + 0.1 < found[-1].value
    assert np.mean([p.value for p in found]) == pytest.approx(start + 0.275, abs=0.05)


def test_what_is_drawn_in_is_said(model: AccuracyModel, archs: list[Architecture]) -> None:
    given_ones = [0.0, 0.05, *[50.0 + i for i in range(6)], 100.0]
    with pytest.warns(NasWarning, match=r"3 of 9 accuracies .* below 0\.1% or above 99\.99%"):
        model.adapt(list(zip(archs[:9], given_ones, strict=True)))


@pytest.mark.filterwarnings("ignore:.* accuracies to learn from", "ignore:.* at most 1 beside")
@given(st.lists(st.floats(0, 100), min_size=3, max_size=12))
def test_any_accuracies_can_be_adapted_to(accuracies: list[float]) -> None:
    pairs = list(zip(SAMPLED, accuracies, strict=False))
    for found in AccuracyModel.load().adapt(pairs).predict_many([*SAMPLED, reference("resnet18")]):
        assert 0 <= found.low <= found.value <= found.high <= 100


def test_what_a_network_has_of_its_own_is_known_once_it_is_trained() -> None:
    """Drawn from the model: half of the noise is a network's own and stays in another training."""
    space = SearchSpace.load("small")
    sums = sums_of(space.sample(seed) for seed in range(60))
    before, places = shared(sums, 0.0) @ AccuracyModel.load().fitted.effects, local(sums)
    each, left, held = np.arange(60), [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        own, first, second = rng.normal(0, 0.3 * before.std(), (3, 60))
        mean, deviation = Adaptation(before, places, each, before + own + first).predict(
            before, places, each
        )
        again = before + own + second
        left.append(np.mean((again - mean) ** 2) / np.mean((again - before) ** 2))
        held.append(np.mean(np.abs(again - mean) < NINE_TENTHS * deviation))
    # Of the variance of own and second (1 + 1), the first tells of half of own: 1.5 are left.
    assert np.mean(left) == pytest.approx(0.75, abs=0.08)
    assert 0.84 < np.mean(held) < 0.96


def test_the_more_often_a_network_is_trained_the_more_its_accuracies_say(
    model: AccuracyModel, archs: list[Architecture]
) -> None:
    pairs = list(zip(archs[:20], values(model, archs[:20]), strict=True))
    (odd, accuracy), others = pairs[0], pairs[1:]
    told = accuracy + 3
    found = [
        model.adapt([*others, *((odd, told + 1e-6 * i) for i in range(n))]).predict(odd)
        for n in range(9)
    ]
    assert [p.value for p in found] == sorted(p.value for p in found)
    assert found[0].value < accuracy + 1.5 < told - 1 < found[-1].value < told
    assert found[-1].high - found[-1].low < found[1].high - found[1].low


def test_intervals_hold_nine_tenths_of_data_made_as_the_model_says() -> None:
    """Tables drawn from the model itself: level, slope, a linear departure and noise."""
    space = SearchSpace.load("small")
    sums = sums_of(space.sample(seed) for seed in range(250))
    before, places = shared(sums, 0.0) @ AccuracyModel.load().fitted.effects, local(sums)
    each = np.arange(250)
    held = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        departure = (places - places.mean(axis=0)) @ rng.normal(0, 0.5, len(LOCAL))
        odds = rng.normal(0, 1) + rng.uniform(0.5, 1.3) * (before + departure)
        odds = odds + rng.normal(0, 0.2 * odds.std(), len(odds))
        mean, deviation = Adaptation(before[:40], places[:40], each[:40], odds[:40]).predict(
            before[40:], places[40:], each[40:]
        )
        held.append(np.mean(np.abs(odds[40:] - mean) < NINE_TENTHS * deviation))
    assert 0.84 < np.mean(held) < 0.96


def test_a_benchmark_is_that_of_about_as_many_classes(model: AccuracyModel) -> None:
    found = {classes: model.benchmark(classes) for classes in (2, 10, 31, 33, 100, 900, 20_000)}
    assert list(found.values()) == ["CIFAR-10"] * 3 + ["CIFAR-100"] * 2 + ["ImageNet"] * 2
    for name, least in (("cifar10", 88), ("cifar100", 60), ("published", 55)):
        table = read_accuracy_table(FOLDER / f"{name}.csv")
        archs = [row.architecture() for row in table.rows]
        many, truth = model.predict_many(archs), [row.accuracy for row in table.rows]
        assert abs(np.mean([p.value for p in many]) - np.mean(truth)) < 2
        assert min(p.value for p in many) > least - 10
        assert np.mean([p.low <= y <= p.high for p, y in zip(many, truth, strict=True)]) > 0.9


def test_short_trainings_want_shallow_networks(model: AccuracyModel) -> None:
    shallow, deep = scaled("mobilenet_v2", 1.3, 0.5), scaled("mobilenet_v2", 1.0, 1.5)

    def better(steps: int | None) -> float:
        found = model.trained_for(steps)
        return found.predict(deep).value - found.predict(shallow).value

    assert better(500) == better(1_000) < better(5_000) < better(20_000) < better(100_000)
    assert better(100_000) == better(None)
    wrong: Any
    for wrong in (0, -1, 1.5, float("nan"), True, "9"):
        with pytest.raises(NasError, match="steps must be a whole number of at least 1, not"):
            model.trained_for(wrong)


@pytest.mark.parametrize(("channels", "assumed"), [(3, 0.0), (1, 0.7)])
def test_three_networks_do_not_tell_how_short_trainings_were(
    model: AccuracyModel, channels: int, assumed: float
) -> None:
    space = SearchSpace.from_dict(SearchSpace.load("small").to_dict() | {"channels": channels})
    archs = [space.sample(seed) for seed in range(120)]
    before = values(model, archs[3:])
    noise = np.random.default_rng(0).normal(0, 0.3, 3)
    for signs in np.array([[1, 1, -1], [1, -1, 1], [-1, 1, 1], [-1, -1, 1], [1, 1, 1]]):
        made = values(model, archs[:3]) + signs * np.abs(noise)
        adapted = model.adapt(list(zip(archs[:3], made, strict=True)))
        assert adapted.found_brief is not None
        assert abs(adapted.found_brief - assumed) < 0.36
        assert spearmanr(values(adapted, archs[3:]), before).statistic > 0.9


def test_adapting_finds_how_short_the_trainings_were(model: AccuracyModel) -> None:
    """Accuracies made by the model itself, of trainings of some length."""
    archs = [SearchSpace.load("small").sample(seed) for seed in range(80)]
    for steps in (1_000, None):
        made = values(model.trained_for(steps), archs)
        adapted = model.adapt(list(zip(archs[:30], made, strict=False)))
        assert adapted.found_brief == (0.0 if steps is None else 1.0)
        rank = spearmanr(values(adapted, archs[30:]), made[30:]).statistic
        assert rank > 0.97


def test_contributions_add_up(model: AccuracyModel, archs: list[Architecture]) -> None:
    for arch in [*archs[:5], reference("mobilenet_v2_100"), reference("resnet18")]:
        parts = model.explain(arch)
        assert [p.part for p in parts][-1] == "network"
        assert len({p.part for p in parts}) == len(parts) == len(arch.stages) + 3
        odds = sum(p.log_odds for p in parts)
        imagenet = model.scales[0]
        if arch.classes == imagenet.classes:
            lasting = imagenet.center * ~BRIEFLY @ model.fitted.effects
            whole = imagenet.slope * (odds - lasting) + imagenet.level
            value = 100 * float(share_of(whole))
            assert model.predict(arch).value == pytest.approx(value, rel=1e-6)


def test_a_stage_gives_more_where_it_is_wider(model: AccuracyModel) -> None:
    def given(width: float) -> float:
        return {p.part: p.log_odds for p in model.explain(scaled("mobilenet_v2", width))}[
            "stages.5"
        ]

    assert given(2.0) > given(1.0) > given(0.5)


def test_the_model_is_public_and_needs_no_torch() -> None:
    program = """if True:
        import sys
        import nas
        known = {"resnet18": 70, "resnet50": 76, "mobilenet_v2_100": 72}
        pairs = [(nas.reference(name), accuracy / 100) for name, accuracy in known.items()]
        model = nas.AccuracyModel.load().adapt(pairs)
        assert 0 < model.predict(pairs[0][0]).value < 100
        assert not {"torch", "onnxruntime"} & {*sys.modules}
    """
    subprocess.run([sys.executable, "-c", program], check=True)


def test_of_longer_trainings_it_expects_what_the_prior_says(model: AccuracyModel) -> None:
    """Against the parts that explain the prior, added up."""

    def odds(share: float) -> float:
        return float(log_odds(np.array(share)))

    brief, long = model.trained_for(1000), model.trained_for(16_000)
    for arch in SAMPLED:
        gain = sum(p.log_odds for p in long.explain(arch)) - sum(
            p.log_odds for p in brief.explain(arch)
        )
        expected = model.continued(arch, 0.8, 1000, 16_000)
        assert odds(expected) - odds(0.8) == pytest.approx(gain, abs=1e-6)
        assert model.continued(arch, 0.8, 1000, 1000) == pytest.approx(0.8)
    for bad in (("a", 0.8, 1, 2), (arch, 80.0, 1, 2), (arch, 0.8, 0, 2), (arch, 0.8, 1, 2.5)):
        with pytest.raises(NasError, match=r"no architecture|a share from 0 to 1|a whole number"):
            model.continued(*bad)


@pytest.mark.parametrize(("classes", "benchmark"), [(2, 10), (31, 10), (32, 100), (400, 1000)])
def test_the_value_is_the_benchmarks_however_many_classes_there_are(
    model: AccuracyModel, classes: int, benchmark: int
) -> None:
    for name in ("mobilenet_v2_100", "resnet18"):
        mine, theirs = (reference(name, classes=count) for count in (classes, benchmark))
        assert model.predict(mine) == pytest.approx(model.predict(theirs))
        given, known = model.gains(mine), model.gains(theirs)
        assert [gain.part for gain in given] == [gain.part for gain in known]
        assert [g.log_odds for g in given] == pytest.approx([g.log_odds for g in known])


def test_what_is_learned_does_not_depend_on_the_order(model: AccuracyModel) -> None:
    archs = [SPACE.sample(seed) for seed in range(330)]
    values = np.array([found.value for found in model.predict_many(archs)])
    values = np.clip(values + np.random.default_rng(0).normal(0, 1.5, len(archs)), 1, 99)
    pairs = list(zip(archs[:320], values[:320].tolist(), strict=True))
    first, other = (model.adapt(each).predict_many(archs[320:]) for each in (pairs, pairs[::-1]))
    assert np.array(first) == pytest.approx(np.array(other), abs=1e-6)


def test_of_two_broken_trainings_of_a_network_the_order_says_nothing(model: AccuracyModel) -> None:
    archs = [SPACE.sample(seed) for seed in range(13)]
    base = [(arch, 60 + i / 2) for i, arch in enumerate(archs[:12])]
    with pytest.warns(NasWarning, match="broken training"):
        one, two = (
            model.adapt([*base, (archs[12], a), (archs[12], b)]).predict(archs[12])
            for a, b in ((0.2, 1.0), (1.0, 0.2))
        )
    assert one == pytest.approx(two)


def test_shares_beside_percent_are_told(model: AccuracyModel) -> None:
    pairs = [(SPACE.sample(seed), value) for seed, value in enumerate((0.5, 60.0, 70.0))]
    with pytest.warns(NasWarning, match="1 of 3 accuracies are at most 1 beside others in percent"):
        model.adapt(pairs)


@pytest.mark.parametrize("space", ["small", "mobile"])
def test_fewer_steps_are_never_expected_to_do_better(space: str, model: AccuracyModel) -> None:
    archs = [SearchSpace.load(space).sample(seed) for seed in range(60)]
    found = [values(model.trained_for(steps), archs) for steps in (100, 1000, 3000, 10_000, None)]
    assert (np.diff(found, axis=0) >= -1e-9).all()


@pytest.mark.parametrize("classes", [10, 1000])
@pytest.mark.parametrize("known", [0, 20])
def test_what_computes_nothing_guesses(classes: int, known: int, model: AccuracyModel) -> None:
    whole, dead = (
        nasbench201(f"|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|", classes=classes)
        for op in ("nor_conv_3x3", "none")
    )
    archs = [SPACE.sample(seed) for seed in range(known)]
    used = model.adapt([(a, 60.0 + i / 2) for i, a in enumerate(archs)]) if known else model
    guess = used.predict(dead)
    assert guess.value == pytest.approx(100 / classes)
    assert guess.high < 110 / classes < used.predict(whole).low
