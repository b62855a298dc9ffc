"""How `nas auto` divides the time that it is given."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from nas.data import DataSet
from nas.resolution import Resolution, area
from nas.support.errors import NasError
from nas.support.validation import Settings
from nas.training.recipe import LONGEST, TRANSFER, Recipe

# Shares of the time; the rest goes to checks and to writing. What is not learned is trained longer.
SEARCH, LEARN, FINALISTS, FINAL = 0.05, 0.25, 0.15, 0.45
TRANSFERRED = 0.2  # of all of it, before the rest is divided
SPARE = 0.08  # at most, for checks and writing: so many seconds and passes over validation images
CHECK_SECONDS, CHECK_PASSES = 90.0, 6
TRIALS_A_SECOND = 60  # scored, with all that goes with it; a slow core
TRIALS, FEWEST_TRIALS = 5000, 300
LEARNED, LEAST_LEARNED, FINALISTS_TRAINED = 12, 6, 4
CHILDREN, FEWEST_CHILDREN = 300, 40  # of a trained network, looked at when it is pruned
CHILD_SECONDS, CHILD_IMAGES = 0.25, 200  # at least; images that a child classifies, about
BRIEF_EPOCHS, FEWEST_BRIEF_EPOCHS = 9, 3
MORE = 1.5  # times the brief training: less is not worth another one
FEWEST_BRIEF_STEPS = 60  # of a brief training; fewer tell nothing
EVALUATED = 0.25  # seconds of an image that is classified, to one that is trained on


class Counts(NamedTuple):
    """How many images there are to train on and to validate by, and the pixels of the largest that
    a network is trained on."""

    training: int
    validation: int
    pixels: int = 0

    @classmethod
    def of(cls, data: DataSet, resolutions: Iterable[Resolution]) -> Counts:
        """Those of a data set and of networks with these inputs."""
        pixels = max(map(area, resolutions))
        return cls(len(data.train.labels), len(data.validation.labels), pixels)

    def suited(self, recipe: Recipe) -> Recipe:
        """The recipe for so many training images of that size."""
        return recipe.suited(self.training, self.pixels)

    def epoch(self, some: int | None = None) -> float:
        """The images of an epoch on `some` of them or on all, as training on so many takes."""
        return (some or self.training) + EVALUATED * self.validation


class Plan(Settings):
    """How much of everything is done. `brief` is the recipe of networks that are compared,
    `budgets` are those asked for and what the time allows, `cut` says what it did not. `slower` is
    how much longer an image takes in the batches of the brief trainings, `minutes` the time that it
    is made for, where that is limited."""

    budgets: tuple[str, ...]
    trials: int
    learn: int
    finalists: int
    brief: Recipe
    seconds_an_image: float
    slower: float = 1.0
    minutes: float | None = None
    cut: tuple[str, ...] = ()

    @property
    def brief_seconds(self) -> float:
        """How long one brief training takes without its validation, by the estimate."""
        brief = self.brief
        return brief.epochs * (brief.images or 0) * self.seconds_an_image * self.slower

    @property
    def final_seconds(self) -> float | None:
        """The seconds in which the winner is trained, where the time is limited."""
        share = FINAL if self.learn else FINAL + LEARN
        return None if self.minutes is None else share * 60 * self.minutes

    def left(self, images: Counts, minutes: float, spent: float) -> float:
        """The seconds that are left for training once so many are spent, before all is checked."""
        check = CHECK_SECONDS + CHECK_PASSES * EVALUATED * images.validation * self.seconds_an_image
        return max(0.0, 60 * minutes - min(SPARE * 60 * minutes, check) - spent)

    def fine_tuning(self, recipe: Recipe, seconds_an_image: float | None) -> Recipe:
        """The recipe cut to take about as long as a brief training, for children of a network of
        which training takes so many seconds on an image, where that is known."""
        recipe = recipe.changed(epochs=self.brief.epochs, seed=self.brief.seed)
        images = self.brief.images
        if images is None:
            return recipe
        if seconds_an_image is not None:
            least = min(images, 2 * self.brief.batch_size)
            images = max(least, round(images * min(1, self.seconds_an_image / seconds_an_image)))
        return recipe.changed(images=images).batched(images)

    def in_words(self, minutes: float | None) -> str:
        """What is done, within so many minutes where there is a limit."""
        parts = [
            f"search {self.trials} networks",
            f"{self.learn} of them trained briefly to learn from" if self.learn else "",
            f"compare {self.finalists} finalist{'s' * (self.finalists > 1)} and the best network "
            f"scaled by hand, {self.brief.epochs} epochs each (about {self.brief_seconds:.0f} s)",
            "train the winner",
        ]
        limit = f" within {minutes:g} minutes" if minutes else ""
        return f"plan{limit}: {'; '.join(filter(None, parts))}"


def children(minutes: float | None, seconds_an_image: float | None) -> int:
    """How many children of a trained network, of which one image is trained on in so many seconds,
    are looked at."""
    if minutes is None or seconds_an_image is None:
        return CHILDREN
    each = max(CHILD_SECONDS, CHILD_IMAGES * EVALUATED * seconds_an_image)
    return round(min(CHILDREN, max(FEWEST_CHILDREN, SEARCH * 60 * minutes / each)))


def transfer_recipe(
    name: str,
    images: Counts,
    seconds_an_image: float | None,
    minutes: float | None,
    seed: int,
) -> tuple[Recipe, str | None]:
    """The recipe by which a network with weights from elsewhere is trained on the data, and what
    the time cuts of it. Errors: `NasError` where there is no time for `FEWEST_BRIEF_STEPS`."""
    suited = images.suited(TRANSFER).changed(seed=seed)
    if minutes is None or seconds_an_image is None:
        return suited, None
    affordable = TRANSFERRED * 60 * minutes / seconds_an_image
    if affordable >= suited.epochs * images.epoch():
        return suited, None
    recipe, how = _cut(suited, images, affordable)
    fewest = min(images.training, FEWEST_BRIEF_STEPS * suited.batch_size)
    if (recipe.images or images.training) < fewest:
        needed = images.epoch(fewest) / affordable * minutes
        raise NasError(
            f"--time {minutes:g}m: too short to train {name} on these images even briefly: give "
            f"at least {ceil(needed)}m and another --output"
        )
    return recipe, f"{name} is trained on these images {how}"


def _cut(whole: Recipe, images: Counts, affordable: float) -> tuple[Recipe, str]:
    """The recipe with as many epochs as are afforded by the time of training on so many images, or
    with one on a part of the images, which may be too few, and how that is in words."""
    if epochs := int(affordable / images.epoch()):
        return whole.changed(epochs=epochs), f"for {epochs} of {whole.epochs} epochs"
    few = max(1, int(affordable - EVALUATED * images.validation))
    return whole.changed(epochs=1, images=few), f"once, {few} of {images.training} of them"


def seconds_of(recipe: Recipe, images: Counts, seconds_an_image: float) -> float:
    """How long a training takes."""
    return recipe.epochs * images.epoch(recipe.images) * seconds_an_image


def affordable_seconds(images: Counts, minutes: float) -> float:
    """The seconds of training on an image with which the winner can be trained as it should, with
    some to spare where nothing is learned."""
    suited = images.suited(Recipe())
    return FINAL * 60 * minutes / (suited.steps(images.training) * suited.batch_size)


def planned(
    images: Counts,
    seconds_an_image: float,
    minutes: float | None,
    seed: int,
    budgets: tuple[str, ...],
    slower: float = 1.0,
) -> Plan:
    """The plan for these images, of which one takes so long, and so much longer in the batches of
    brief trainings where those have to be smaller."""
    suited = images.suited(Recipe()).changed(seed=seed)
    epochs = min(suited.epochs, max(BRIEF_EPOCHS, suited.epochs // 4))
    brief = suited.changed(epochs=epochs, images=images.training)
    whole = Plan(
        budgets=budgets,
        trials=TRIALS,
        learn=LEARNED,
        finalists=FINALISTS_TRAINED,
        brief=brief,
        seconds_an_image=seconds_an_image,
        minutes=minutes,
    )
    return whole if minutes is None else _within(whole, images, 60 * minutes, slower)


def _within(whole: Plan, images: Counts, seconds: float, slower: float) -> Plan:
    """The plan cut to the time: first to fewer networks, then to fewer images.

    Networks to learn from are trained on all images or not at all: what a briefer training tells is
    which networks learn quickly.
    """
    each, brief, cut = whole.seconds_an_image, whole.brief, []
    trials = round(min(whole.trials, max(FEWEST_TRIALS, SEARCH * seconds * TRIALS_A_SECOND)))
    if trials < whole.trials:
        cut.append(f"{trials} networks are searched instead of {whole.trials}")
    learn = min(whole.learn, int(LEARN * seconds / seconds_of(brief, images, each)))
    if learn < LEAST_LEARNED:
        learn = 0
        cut.append("no network is trained to learn from: predictions are not of these data")
    elif learn < whole.learn:
        cut.append(f"{learn} networks are trained to learn from instead of {whole.learn}")
    affordable = FINALISTS * seconds / (whole.finalists + 1) / (slower * each)
    validated = EVALUATED * images.validation
    if not learn:  # validation may take no more of a brief training than its images do
        epochs = int(affordable / (2 * validated)) if validated else brief.epochs
        brief = brief.changed(epochs=min(brief.epochs, max(FEWEST_BRIEF_EPOCHS, epochs)))
    affordable = affordable / brief.epochs - validated
    count = images.training
    fewest = min(count, max(FEWEST_BRIEF_STEPS * brief.batch_size // brief.epochs,
                            2 * brief.batch_size))  # fmt: skip
    few = count if learn else round(min(count, max(fewest, affordable)))
    if few < count:
        brief = brief.changed(images=few)
        small = brief.batched(few)
        if 2 * seconds_of(small, images, slower * each) <= FINALISTS * seconds:
            brief = small  # or else it would take the winner's time
        cut.append(f"networks are compared after {brief.epochs} passes over {few} of the "
                   f"{count} training images")  # fmt: skip
    slower = slower if brief.batch_size < whole.brief.batch_size else 1.0
    one = seconds_of(brief, images, slower * each)
    finalists = max(1, min(whole.finalists, int(FINALISTS * seconds / one) - 1))
    if finalists < whole.finalists:
        cut.append(f"finalists that are trained: {finalists} instead of {whole.finalists}")
    return whole.model_copy(
        update={
            "trials": trials, "learn": learn, "finalists": finalists, "brief": brief,
            "slower": slower, "cut": tuple(cut),
        }
    )  # fmt: skip


def final_recipe(
    images: Counts,
    seconds_an_image: float,
    seconds: float | None,
    brief: Recipe,
) -> tuple[Recipe | None, str | None]:
    """The recipe by which the winner is trained within so many seconds, and what that cuts.

    Without a limit of time it is what suits the images, at twice the epochs; within one it has the
    epochs that are expected to fit, up to `LONGEST` times those that suit. None where there is no
    time for more than the `brief` training that it has had.
    """
    suited = images.suited(Recipe())
    whole = suited.changed(epochs=2 * suited.epochs, seed=brief.seed)
    if seconds is None:
        return whole, None
    affordable = seconds / seconds_an_image
    if affordable >= whole.epochs * images.epoch():
        epochs = min(int(affordable / images.epoch()), LONGEST * suited.epochs)
        return whole.changed(epochs=epochs), None
    recipe, how = _cut(whole, images, affordable)
    trained_on, had = (r.epochs * (r.images or images.training) for r in (recipe, brief))
    if trained_on < max(MORE * had, recipe.batch_size):
        return None, "the winner is trained no further than for the comparison"
    return recipe, f"the winner is trained on these images {how}"


def searched_steps(plan: Plan, images: Counts) -> int:
    """The steps of training for which the search predicts accuracies: those of the brief trainings
    where it learns from them, or else those of `nas train`, where the winner makes so many."""
    if plan.learn or plan.minutes is None:
        return plan.brief.steps(images.training)
    last, _ = final_recipe(images, plan.seconds_an_image, plan.final_seconds, plan.brief)
    recipes = last or plan.brief, images.suited(Recipe())
    return min(recipe.steps(images.training) for recipe in recipes)
