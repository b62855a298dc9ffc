"""`auto`: looks, plans, searches with short trainings, compares, trains the winner.

Every stage keeps what it has done in the output's `work` folder, and does nothing twice: the same
call goes on after it was stopped or killed at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from nas.accuracy.effects import BRIEF
from nas.architecture import Architecture
from nas.auto.asked import Asked
from nas.auto.compare import best_by_hand, expected_of, last_recipe
from nas.auto.parent import TRANSFERRED, Parent, check_reach, find_parent
from nas.auto.pilot import Pilot
from nas.auto.plan import (
    Counts,
    Plan,
    children,
    searched_steps,
    transfer_recipe,
)
from nas.auto.result import WORK, Compared, Result, ranked
from nas.auto.state import Kept
from nas.budget import parse_budgets
from nas.data import DataSet
from nas.data.fit import fit_space
from nas.latency import Target
from nas.resolution import mean_side
from nas.space import SearchSpace
from nas.study import Study, begin, learning
from nas.study.candidates import Candidates
from nas.study.finalists import (
    FinalistReport,
    failed_finalists,
    read_finalists,
    run_finalists,
    take_over,
)
from nas.study.learning import LearningReport
from nas.study.progress import SearchReport
from nas.study.pruned import begin_pruning, fine_tuning_recipe
from nas.study.storage.storage import Storage
from nas.study.workers.executors import Slots
from nas.support.errors import NasError
from nas.support.files import check_folder
from nas.support.ownership import owned
from nas.training import Recipe, Trained, train
from nas.training.checkpoint import WEIGHTS
from nas.training.checks import Untrainable
from nas.training.progress import TrainingReport
from nas.training.recipe import LONGEST
from nas.training.run import Start

STUDY, PRUNED = "search", "pruned"
LEAST_LEFT = 0.5  # of the time, after a network to prune was trained
LARGE = 96  # pixels from which on images are searched for as photographs are


@dataclass(frozen=True)
class Displays:
    """What shows how far everything is."""

    say: Callable[[str], None]
    search: Callable[[Study], AbstractContextManager[SearchReport]]
    learning: LearningReport
    finalists: Callable[[Study], AbstractContextManager[FinalistReport]]
    training: Callable[[str], AbstractContextManager[TrainingReport]]


def default_space(data: DataSet) -> str:
    """The shipped space for a data set's images."""
    return "mobile" if mean_side(data.resolution) >= LARGE else "small"


def auto(
    asked: Asked,
    data: DataSet,
    output: Path,
    displays: Displays,
    executor: Executor | None = None,
    slots: Slots = 1,
) -> Result:
    """Everything from the data to the trained winner, within `asked.minutes` where there is a
    limit.

    Errors: `NasError`, before any work where something asked for cannot be; where `output` holds
    the result of something else. `KeyboardInterrupt` with everything kept.
    """
    check_folder(output)
    checked = _Run(asked, data, output, displays)
    with owned(output / WORK):
        return checked.run(executor, slots)


class _Run:
    def __init__(self, asked: Asked, data: DataSet, output: Path, displays: Displays) -> None:
        self.asked, self.data, self.displays = asked, data, displays
        self.work, self.kept = output / WORK, Kept(asked, output)
        space = fit_space(SearchSpace.load(asked.space), data)
        self.images = Counts.of(data, space.settings.resolution)
        self.target = Target.load(asked.target)
        self.candidates = Candidates(space, self.target, parse_budgets(asked.budgets))
        self.candidates.check(asked.seed)
        self.parent = find_parent(asked, data, self.work)
        if self.parent is not None:
            check_reach(self.parent, self.target, self.candidates.budgets)
        self.pilot = Pilot(self.candidates, data, self.images, asked.seed)
        self.storage = str(self.work / "studies")

    def run(self, executor: Executor | None, slots: Slots) -> Result:
        say = self.displays.say
        self.kept.reread()  # as whoever had the folder before left it
        self.kept.store()
        parent: Trained | None = None
        if self.parent is not None:
            with self.kept.stage(TRANSFERRED):
                parent = self._transferred(self.parent)
        with self.kept.stage("plan"):
            plan = self.kept.state.plan or self._planned()
            self.kept.store(plan=plan)
        say(plan.in_words(self.asked.minutes))
        for line in plan.cut:
            say(f"  cut: {line}")
        with self.kept.stage("search"):
            study = self._searched(plan, executor, slots)
        with self.kept.stage("finalists"):
            compared = self._compared(study, plan)
        if self.parent is not None:
            with self.kept.stage("prune"):
                pruned = self._pruned(self.parent, plan, executor, slots)
                compared = ranked([*compared, *pruned])
        with self.kept.stage("final"):
            folder = self._finished(study, compared[0], plan)
        return Result(
            study, self.target, compared, tuple(f for f in read_finalists(study) if f.pruned),
            tuple(failed_finalists(study)), Trained.load(folder), folder, self.work,
            (*plan.cut, *self.kept.state.cut), self.kept.state.spent, self.asked,
            plan.brief.steps(self.images.training) >= BRIEF,
            parent.data.checksum if parent else None,
        )  # fmt: skip

    def _transferred(self, parent: Parent) -> Trained:
        """The training of the network that is pruned, which is done here where its weights are from
        elsewhere."""
        each, name = self.kept.state.parent_seconds, parent.arch.name or "the network of --from"
        if self.asked.minutes is not None and each is None and self.kept.state.plan is None:
            self.displays.say(f"timing a few steps of training {name}")
            each = self.pilot.seconds(parent.arch)
            self.kept.store(parent_seconds=each)
        if parent.start is None:
            return Trained.load(parent.folder)
        recipe = self.kept.state.transfer
        if recipe is None:
            recipe, cut = transfer_recipe(
                name, Counts.of(self.data, [parent.arch.resolution]), each,
                self.asked.minutes, self.asked.seed,
            )  # fmt: skip
            self.kept.store(transfer=recipe, cut=(cut,) if cut else ())
            if cut:
                self.displays.say(f"  cut: {cut}")
        return self._trained(
            parent.arch, recipe, TRANSFERRED,
            f"{name}, from {self.asked.weights}", parent.start,
        )  # fmt: skip

    def _planned(self) -> Plan:
        """The plan for the time that a network to prune has left."""
        self.displays.say("timing a few steps of training")
        minutes = self.asked.minutes
        if minutes is not None:
            minutes = max(LEAST_LEFT * minutes, minutes - self.kept.state.spent / 60)
        return self.pilot.planned(minutes)

    def _searched(self, plan: Plan, executor: Executor | None, slots: Slots) -> Study:
        if STUDY in Storage(self.storage).names():
            study = Study.load(STUDY, self.storage)
        else:
            study = begin(
                self.asked.target, plan.budgets, self.asked.space, name=STUDY,
                storage=self.storage, trials=plan.trials, seed=self.asked.seed, data=self.data,
                finalists=plan.finalists, learn=plan.learn, recipe=plan.brief,
                training_steps=searched_steps(plan, self.images),
            )  # fmt: skip
        self._drive(study, executor, slots)
        return study

    def _drive(self, study: Study, executor: Executor | None, slots: Slots) -> None:
        """Runs all trials of a study. Errors: `KeyboardInterrupt`."""
        with self.displays.search(study) as report:
            ended = learning.run(
                study, study.settings.trials, executor, slots, report, self.displays.learning,
                self.data.source,
            )  # fmt: skip
        if ended.how == "interrupted":
            raise KeyboardInterrupt

    def _finalists(self, study: Study, plan: Plan) -> list[Compared]:
        """The finalists of a study that were trained to the end."""
        with self.displays.finalists(study) as report:
            finalists = run_finalists(study, report, self.data.source)
        pruned = study.settings.pruning is not None
        return [
            expected_of(f.record, f.accuracy, f.folder, self.images, plan, pruned)
            for f in finalists
            if not f.pruned
        ]

    def _compared(self, study: Study, plan: Plan) -> tuple[Compared, ...]:
        """The finalists and the best hand-scaled network, trained alike; the best first."""
        found = self._finalists(study, plan)
        by_hand = best_by_hand(study)
        if by_hand and by_hand.hash not in {each.record.hash for each in found}:
            learned = learning.learning_folder(study) / f"trial-{by_hand.trial}"
            take_over(learned, self.work / "by-hand")
            title, folder = f"by hand: {by_hand.like}", self.work / "by-hand"
            try:
                accuracy = self._trained(by_hand.arch, plan.brief, "by-hand", title).accuracy
                found.append(expected_of(by_hand, accuracy, folder, self.images, plan))
            except Untrainable as error:  # a finalist that fails is left out, too
                self.displays.say(f"{title}: {error}")
        if not found:
            raise NasError("no network could be trained on these data")
        return ranked(found)

    def _pruned(
        self, parent: Parent, plan: Plan, executor: Executor | None, slots: Slots
    ) -> list[Compared]:
        """The best children of a trained network, fine-tuned."""
        if PRUNED in Storage(self.storage).names():
            study = Study.load(PRUNED, self.storage)
        else:
            # Children may be larger than what the time allows to be trained from nothing.
            study = begin_pruning(
                parent.arch, parent.folder / WEIGHTS, self.asked.target, self.asked.budgets,
                self.data, name=PRUNED, storage=self.storage,
                trials=children(self.asked.minutes, self.kept.state.parent_seconds),
                finalists=min(2, plan.finalists),
                recipe=plan.fine_tuning(
                    fine_tuning_recipe(parent.arch, self.data), self.kept.state.parent_seconds
                ),
                seed=self.asked.seed,
            )  # fmt: skip
        self._drive(study, executor, slots)
        return self._finalists(study, plan)

    def _finished(self, study: Study, winner: Compared, plan: Plan) -> Path:
        """The folder of the winner's last training."""
        if winner.pruned:  # trained from its parent's weights: another training would lose them
            return winner.folder
        if not self.kept.state.decided:
            self._plan_final(winner, plan)
        recipe = self.kept.state.final
        if recipe is None:
            return winner.folder
        try:
            self._trained(study.network(winner.record), recipe, "final", "the winner")
        except Untrainable as error:  # its brief training is whole
            self.displays.say(f"the winner: {error}")
            return winner.folder
        return self.work / "final"

    def _plan_final(self, winner: Compared, plan: Plan) -> None:
        """Decides how the winner is trained."""
        left = None
        if self.asked.minutes is not None:
            left = plan.left(self.images, self.asked.minutes, self.kept.state.spent)
        recipe, cut = last_recipe(winner.folder, self.images, plan, left)
        if recipe is not None and left is not None and recipe.images is None:
            # The machine may get slower or faster: epochs follow it.
            most = LONGEST * self.images.suited(Recipe()).epochs
            recipe = recipe.changed(minutes=left / 60, epochs=most)
        cuts = (*self.kept.state.cut, *([cut] if cut else []))
        self.kept.store(final=recipe, cut=cuts, decided=True)
        if cut:
            self.displays.say(f"  cut: {cut}")

    def _trained(
        self, arch: Architecture, recipe: Recipe, folder: str, title: str,
        start: Start | None = None,
    ) -> Trained:  # fmt: skip
        with self.displays.training(title) as report:
            return train(
                arch, self.data, recipe, output=self.work / folder, start=start, progress=report
            )
