"""Learning from trainings: a study trains some of its networks briefly and predicts by them.

The search goes in phases with rounds of training between them. A round trains networks that teach
most (see `nas.study.choosing`): promising ones, of which less is known, unlike each other and what
was trained; the first also families scaled by hand. After a third of the epochs these and the
better half of the others go on; what those would have reached that stop is inferred. Then
predictions are adapted, all trials are predicted anew and the search goes on.

What is kept is the choice of every round, in the study, and every network's training in a folder of
its own, in `STUDY.learning`; so whatever is killed goes on where it was. Accuracies of
networks that were trained to the end are added to the user's own table of the data set.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nas.accuracy.model import FEWEST
from nas.data import DataSet
from nas.study.choosing import by_family, spread
from nas.study.driver import Driver
from nas.study.finalists import study_data
from nas.study.partial_training import inferred, no_better_than_chance, outcomes
from nas.study.progress import SearchReport
from nas.study.rounds import ROUNDS, read_rounds
from nas.study.settings import StudySettings
from nas.study.storage.locks import claim_file
from nas.study.study import Study
from nas.study.workers.executors import InlineExecutor, Slots
from nas.support.errors import NasError, NasWarning, one_line
from nas.training.checkpoint import kept_epoch
from nas.training.own_table import remember, remembered

if TYPE_CHECKING:
    from nas.training.checkpoint import Epoch

MOST_ROUNDS = 3
FIRST = 6  # networks of a round, at least
FEWEST_HALVED = 8  # networks of a round that is halved
# Log odds below the top at which a network is worth 1/e, by round: the first ones are to teach,
# among the last is what will be the best, as predictions leave as much as .05 to a network's own.
REACHES = (0.4, 0.1, 0.03)


class LearningProgress(NamedTuple):
    """How far the trainings of a round are: `done` of `networks`, of which some have `failed`;
    `stage` says which trainings."""

    round: int
    stage: str
    done: int
    networks: int
    failed: int = 0


LearningReport = Callable[[LearningProgress], None]


class Ended(NamedTuple):
    """How a search ended, in the words of `Driver.run`, and how many trials there were `before`."""

    how: str
    before: int


def run(
    study: Study,
    goal: int | None = None,
    executor: Executor | None = None,
    slots: Slots = 1,
    report: SearchReport = lambda progress: None,
    learning: LearningReport = lambda progress: None,
    source: str | None = None,
    *,
    more: int = 0,
) -> Ended:
    """Searches until the study has `goal` trials, or so many `more` where there is no goal, with
    its rounds of training. `source` is where the data are now, if that is elsewhere. Errors:
    `NasError`, also where they have changed."""
    if _planned(study.settings) and not study.predictions.measured and not read_rounds(study):
        known = remembered(study_data(study, source), study.settings.recipe)
        if len(known) >= FEWEST:
            study.store(lambda: study.learn(known))
    before = None
    while size := _next_size(study):
        if goal is None:  # before a round's own search adds to it
            goal = study.tally().trials + more
        number, planned = _finished(study), _planned(study.settings)
        share = study.settings.trials * (number + 1) // (planned + 1)
        driver = Driver(study, executor, slots, report)
        how = driver.run(max(1, share))
        before = driver.before if before is None else before
        if how == "interrupted":
            return Ended(how, before)
        training = _Training(executor or InlineExecutor(), learning, study_data(study, source))
        if not _train_round(study, number, size, training):
            break
    driver = Driver(study, executor, slots, report)
    how = driver.run(goal, more=more)
    return Ended(how, driver.before if before is None else before)


def learning_folder(study: Study) -> Path:
    """The folder of a study's trainings."""
    return study.folder("learning")


def _finished(study: Study) -> int:
    return sum("accuracies" in each for each in read_rounds(study))


def _planned(settings: StudySettings) -> int:
    """How many rounds there are to be: six networks or more in each, three rounds at most. Where
    there is a limit of time, more than six have a round after which it is looked at."""
    if settings.learn:
        least = 2 if settings.train_minutes and settings.learn > FIRST else 1
        return min(MOST_ROUNDS, max(least, settings.learn // FIRST))
    return MOST_ROUNDS if settings.train_minutes else 0


def _next_size(study: Study) -> int:
    """How many networks the next round trains, 0 where there is none."""
    settings, rounds = study.settings, read_rounds(study)
    if rounds and "accuracies" not in rounds[-1]:
        return len(rounds[-1]["trials"])
    left = _planned(settings) - len(rounds)
    if left <= 0:
        return 0
    if settings.train_minutes and not rounds:  # these show what one takes
        return min(settings.learn or FIRST, FIRST)
    done = sum(len(each["trials"]) for each in rounds)
    count = settings.learn - done
    if settings.train_minutes:
        spent = sum(each["seconds"] for each in rounds) / 60
        if not spent:  # an earlier version kept rounds of which none could be trained
            return 0
        affordable = int((settings.train_minutes - spent) * done / spent)
        count = min(count, affordable) if settings.learn else affordable
    return max(0, -(-count // left))


class _Training(NamedTuple):
    """What a round is trained with."""

    executor: Executor
    report: LearningReport
    data: DataSet


def _train_round(study: Study, number: int, size: int, training: _Training) -> bool:
    """Trains a round, or waits for whoever does; False where there is nothing left to train."""
    data, folder = training.data, learning_folder(study)
    folder.mkdir(parents=True, exist_ok=True)
    # The study is claimed too: it is neither removed nor renamed while this writes to its folder.
    driven = study.storage.driven(study.name)
    with driven, claim_file(folder, "learning") as claim, claim.exclusive():
        study.refresh()
        rounds = read_rounds(study)
        if _finished(study) > number:
            return True
        if len(rounds) == number:
            trials = _chosen(study, number, size)
            if not trials:
                return False
            before = len(study.predictions.measured)
            rounds.append({"trials": trials, "data": data.checksum, "before": before})
            study.store(lambda: study.log.set_attribute(ROUNDS, rounds))
        if rounds[number]["data"] != data.checksum:
            raise NasError(f"data set {data.source} has changed since its networks were trained")
        rounds[number] |= _trained(study, rounds, training)
        accuracies = {int(trial): v for trial, v in rounds[number]["accuracies"].items()}
        archs = {r.trial: study.network(r) for r in study.records(accuracies)}
        complete = [(archs[trial], accuracies[trial]) for trial in rounds[number]["complete"]]
        remember(data, study.settings.recipe, complete)
        new = [(archs[trial], accuracy) for trial, accuracy in accuracies.items()]
        # Whoever was killed when these were learned, and the round not finished, left them there.
        measured = [*study.predictions.measured[: rounds[number].get("before")], *new]

        def store() -> None:
            study.learn(measured)
            study.log.set_attribute(ROUNDS, rounds)

        study.store(store)
        _warn_of_chance([accuracy for _, accuracy in measured], data)
    return True


def _warn_of_chance(accuracies: Sequence[float], data: DataSet) -> None:
    classes, images = len(data.classes), len(data.validation.labels)
    if no_better_than_chance(accuracies, classes, images):
        words = (
            f"none of {len(accuracies)} trained networks is better than chance "
            f"({100 / classes:.3g}%): what is predicted by them says nothing; look at the recipe, "
            "its rate (lr) and its epochs"
        )
        warnings.warn(words, NasWarning, stacklevel=2)


def _chosen(study: Study, number: int, size: int) -> list[int]:
    """The trials of a round. Half of the first are families scaled by hand: what predictions do not
    know of a family is found where people have found it good already. None is a network that
    another study has trained alike, from which this one learns."""
    known = {trial for each in read_rounds(study) for trial in each["trials"]}
    reach = REACHES[min(number, len(REACHES) - 1)]
    objectives, records = study.settings.objectives, study.records()
    learned = {arch.hash for arch, _ in study.predictions.measured}
    known.update(record.trial for record in records if record.arch.hash in learned)
    families = [] if number else by_family(records)
    by_hand = [record for record in families if record.trial not in known][: size // 2]
    known.update(record.trial for record in by_hand)
    left = size - len(by_hand)
    chosen = [*by_hand, *spread(records, objectives, left, reach, known, uncertain=True)]
    return [record.trial for record in chosen]


def _trained(study: Study, rounds: list[dict[str, Any]], training: _Training) -> dict[str, Any]:
    """Trains the networks of the last round, the worse half of them a third of the way. Those of
    the first half that are families scaled by hand go on: they learn more slowly than what is
    predicted to be good after a short training, so that early on they look worse than they become.
    """
    trials, recipe = rounds[-1]["trials"], study.settings.recipe
    folder = learning_folder(study).absolute()
    third = recipe.epochs // 3
    records = study.records(trials)
    archs = {record.trial: record.arch for record in records}
    half = trials[: len(trials) // 2]
    by_hand = {record.trial for record in records if record.like and record.trial in half}
    epochs: dict[int, list[Epoch]] = {}  # with patience fewer than were asked for
    failed: dict[int, Exception] = {}

    def train_to(some: Sequence[int], count: int, stage: str) -> None:
        source, options = training.data.source, training.data.options.model_dump_json()
        jobs = [
            (archs[trial], source, options, recipe, folder / f"trial-{trial}", count)
            for trial in some
        ]
        found = outcomes(training.executor, jobs)
        for done, (trial, result) in enumerate(zip(some, found, strict=False), 1):
            if isinstance(result, Exception):
                failed[trial] = result
            else:
                epochs[trial] = result
            bad = len(failed.keys() & set(some))
            training.report(LearningProgress(len(rounds), stage, done, len(some), bad))

    going_on, early = list(trials), {}
    if third and len(trials) >= FEWEST_HALVED:
        train_to(trials, third, "to a third")
        early = {t: kept_epoch(recipe, h[:third]).validation_accuracy for t, h in epochs.items()}
        others = sorted(early.keys() - by_hand, key=lambda trial: (-early[trial], trial))
        going_on = [*sorted(by_hand & early.keys()), *others[: -(-len(others) // 2)]]
    train_to(going_on, recipe.epochs, "to the end")
    if not epochs:
        why = one_line(failed[trials[0]])
        raise NasError(f"none of the {len(trials)} networks to learn from could be trained: {why}")
    complete = [trial for trial in going_on if trial in epochs and trial not in failed]
    final = {t: kept_epoch(recipe, epochs[t]).validation_accuracy for t in complete}
    stopped = {trial: value for trial, value in early.items() if trial not in final}
    pairs = [(early[trial], final[trial]) for trial in complete if trial in early]
    for each in rounds[:-1]:
        pairs += [
            (value, each["accuracies"][trial] / 100)
            for trial, value in each["early"].items()
            if int(trial) in each["complete"]
        ]
    accuracies = final | inferred(stopped, pairs)
    return {
        "accuracies": {str(trial): 100 * value for trial, value in accuracies.items()},
        "complete": complete,
        "early": {str(trial): value for trial, value in early.items()},
        "seconds": sum(epoch.seconds for each in epochs.values() for epoch in each),
    }
