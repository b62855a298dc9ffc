"""What `nas auto` is asked for, and how it divides the time that it is given."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from pydantic import Field

from nas.data.options import DataOptions
from nas.support.errors import NasError
from nas.support.validation import Settings
from nas.training.recipe import TRANSFER, Recipe

# Shares of the time; the rest goes to checks and to writing. What is not learned is trained longer.
SEARCH, LEARN, FINALISTS, FINAL = 0.05, 0.25, 0.15, 0.45
TRANSFERRED = 0.2  # of all of it, before the rest is divided
SPARE = 0.08
TRIALS_A_SECOND = 60  # scored, with all that goes with it; a slow core
TRIALS, FEWEST_TRIALS = 5000, 300
LEARNED, LEAST_LEARNED, FINALISTS_TRAINED = 12, 6, 4
CHILDREN, FEWEST_CHILDREN = 300, 40  # of a trained network, looked at when it is pruned
CHILD_SECONDS, CHILD_IMAGES = 0.25, 200  # at least; images that a child classifies, about
BRIEF_EPOCHS = 9
LONGEST = 5  # times the epochs that suit the images
MORE = 1.5  # times the brief training: less is not worth another one
FEWEST_BRIEF_STEPS = 60  # of a brief training; fewer tell nothing
EVALUATED = 0.25  # seconds of an image that is classified, to one that is trained on

Minutes = Annotated[float, Field(gt=0, le=60 * 24 * 365, allow_inf_nan=False)]


class Asked(Settings):
    """What the command was given; another one may not go on with the same output. `parent` is the
    folder of a training whose network is pruned, too; with `weights`, a file of them, any network
    at the `resolution`, whose norms have the epsilon `norm_eps`."""

    data: str
    options: DataOptions
    checksum: str
    target: str
    budgets: tuple[str, ...]
    space: str
    minutes: Minutes | None
    seed: int
    parent: str | None = None
    weights: str | None = None
    norm_eps: float | None = None
    resolution: str | None = None


class Plan(Settings):
    """How much of everything is done. `brief` is the recipe of networks that are compared,
    `budgets` are those asked for and what the time allows, `cut` says what it did not."""

    budgets: tuple[str, ...]
    trials: int
    learn: int
    finalists: int
    brief: Recipe
    seconds_an_image: float
    cut: tuple[str, ...] = ()

    @property
    def brief_seconds(self) -> float:
        """How long one brief training takes, by the estimate."""
        return seconds_of(self.brief, self.brief.images or 0, self.seconds_an_image)

    @property
    def final_share(self) -> float:
        """The share of the time in which the winner is trained."""
        return FINAL if self.learn else FINAL + LEARN

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
    images: int,
    validation: int,
    seconds_an_image: float | None,
    minutes: float | None,
    seed: int,
) -> tuple[Recipe, str | None]:
    """The recipe by which a network with weights from elsewhere is trained on the data, and what
    the time cuts of it. Errors: `NasError` where there is no time for `FEWEST_BRIEF_STEPS`."""
    suited = TRANSFER.suited(images).changed(seed=seed)
    if minutes is None or seconds_an_image is None:
        return suited, None
    affordable = TRANSFERRED * 60 * minutes / seconds_an_image
    epochs = int(affordable / (images + EVALUATED * validation))
    if epochs >= suited.epochs:
        return suited, None
    if epochs:
        said = f"{name} is trained on these images for {epochs} of {suited.epochs} epochs"
        return suited.changed(epochs=epochs), said
    few, least = int(affordable - EVALUATED * validation), FEWEST_BRIEF_STEPS * suited.batch_size
    if few < min(images, least):
        needed = (min(images, least) + EVALUATED * validation) / affordable * minutes
        raise NasError(
            f"--time {minutes:g}m: too short to train {name} on these images even briefly: give "
            f"at least {ceil(needed)}m and another --output"
        )
    said = f"{name} is trained on {few} of the {images} training images, once"
    return suited.changed(epochs=1, images=few), said


def seconds_of(recipe: Recipe, images: int, seconds_an_image: float, validation: int = 0) -> float:
    """How long a training takes: `recipe.images` or else `images` of them in each epoch."""
    each = (recipe.images or images) + EVALUATED * validation
    return recipe.epochs * each * seconds_an_image


def affordable_seconds(images: int, minutes: float) -> float:
    """The seconds of training on an image with which the winner can be trained as it should."""
    suited = Recipe().suited(images)
    return FINAL * 60 * minutes / (suited.steps(images) * suited.batch_size)


def planned(
    images: int,
    validation: int,
    seconds_an_image: float,
    minutes: float | None,
    seed: int,
    budgets: tuple[str, ...],
) -> Plan:
    """The plan for so many training and validation images, of which one takes so long."""
    suited = Recipe().suited(images).changed(seed=seed)
    epochs = min(suited.epochs, max(BRIEF_EPOCHS, suited.epochs // 4))
    brief = suited.changed(epochs=epochs, images=images)
    whole = Plan(
        budgets=budgets,
        trials=TRIALS,
        learn=LEARNED,
        finalists=FINALISTS_TRAINED,
        brief=brief,
        seconds_an_image=seconds_an_image,
    )
    return whole if minutes is None else _within(whole, images, validation, 60 * minutes)


def _within(whole: Plan, images: int, validation: int, seconds: float) -> Plan:
    """The plan cut to the time: first to fewer networks, then to fewer images.

    Networks to learn from are trained on all images or not at all: what a briefer training tells is
    which networks learn quickly.
    """
    each, brief, cut = whole.seconds_an_image, whole.brief, []
    trials = round(min(whole.trials, max(FEWEST_TRIALS, SEARCH * seconds * TRIALS_A_SECOND)))
    if trials < whole.trials:
        cut.append(f"{trials} networks are searched instead of {whole.trials}")
    learn = min(whole.learn, int(LEARN * seconds / seconds_of(brief, images, each, validation)))
    if learn < LEAST_LEARNED:
        learn = 0
        cut.append("no network is trained to learn from: predictions are not of these data")
    elif learn < whole.learn:
        cut.append(f"{learn} networks are trained to learn from instead of {whole.learn}")
    affordable = FINALISTS * seconds / (whole.finalists + 1) / each / brief.epochs
    affordable -= EVALUATED * validation
    fewest = min(images, max(FEWEST_BRIEF_STEPS * brief.batch_size // brief.epochs,
                             2 * brief.batch_size))  # fmt: skip
    few = images if learn else round(min(images, max(fewest, affordable)))
    if few < images:
        brief = brief.changed(images=few).batched(few)
        cut.append(f"networks are compared after {brief.epochs} passes over {few} of the "
                   f"{images} training images")  # fmt: skip
    one = seconds_of(brief, few, each, validation)
    finalists = max(1, min(whole.finalists, int(FINALISTS * seconds / one) - 1))
    if finalists < whole.finalists:
        finalists_are = "finalist is" if finalists == 1 else "finalists are"
        cut.append(f"{finalists} {finalists_are} compared instead of {whole.finalists}")
    return whole.model_copy(
        update={
            "trials": trials, "learn": learn, "finalists": finalists, "brief": brief,
            "cut": tuple(cut),
        }
    )  # fmt: skip


def final_recipe(
    images: int,
    validation: int,
    seconds_an_image: float,
    seconds: float | None,
    brief: Recipe,
) -> tuple[Recipe | None, str | None]:
    """The recipe by which the winner is trained within so many seconds, and what that cuts.

    Without a limit of time it is what suits the number of images, at twice the steps; within one it
    takes all of the time, up to `LONGEST` times those steps. None where there is no time for more
    than the `brief` training that it has had.
    """
    suited = Recipe().suited(images)
    whole = suited.changed(epochs=2 * suited.epochs, seed=brief.seed)
    if seconds is None:
        return whole, None
    one_epoch = seconds_of(whole.changed(epochs=1), images, seconds_an_image, validation)
    affordable = int(seconds / one_epoch)
    if affordable >= whole.epochs:
        return whole.changed(epochs=min(affordable, LONGEST * suited.epochs)), None
    if affordable * images < MORE * brief.epochs * (brief.images or images):
        return None, "the winner is trained no further than for the comparison"
    said = f"the winner is trained for {affordable} epochs instead of {whole.epochs}"
    return whole.changed(epochs=affordable), said


def searched_steps(plan: Plan, images: int, validation: int, minutes: float | None) -> int:
    """The steps of training for which the search predicts accuracies: those of the brief trainings
    where it learns from them, or else those of `nas train`, where the winner makes so many."""
    if plan.learn or minutes is None:
        return plan.brief.steps(images)
    seconds = plan.final_share * 60 * minutes
    last, _ = final_recipe(images, validation, plan.seconds_an_image, seconds, plan.brief)
    return min((last or plan.brief).steps(images), Recipe().suited(images).steps(images))
