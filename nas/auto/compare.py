"""What is expected of networks that were trained briefly, once the last training is over."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from nas.accuracy import AccuracyModel
from nas.auto.plan import Counts, Plan, final_recipe
from nas.auto.result import Compared
from nas.study import Record, Study
from nas.training import Recipe, Trained


def expected_of(
    record: Record,
    accuracy: float,
    folder: Path,
    images: Counts,
    plan: Plan,
    pruned: bool = False,
) -> Compared:
    """A network with what is expected of it after as many steps as it makes in the time of the
    last training; one that was pruned is not trained further."""
    expected = accuracy
    if not pruned:
        last = last_recipe(folder, images, plan, plan.final_seconds)[0] or plan.brief
        brief, model = plan.brief.steps(images.training), AccuracyModel.load()
        steps = max(brief, last.steps(images.training))
        expected = model.continued(record.arch, accuracy, brief, steps)
    return Compared(record, accuracy, expected, record.like, folder, pruned)


def last_recipe(
    folder: Path, images: Counts, plan: Plan, left: float | None
) -> tuple[Recipe | None, str | None]:
    """How the network of a brief training is trained further in the seconds that are left, by how
    long its epochs took, and what that cuts."""
    took = median(epoch.seconds for epoch in Trained.load(folder).history)
    each = took / images.epoch(plan.brief.images) / plan.slower
    return final_recipe(images, each, left, plan.brief)


def best_by_hand(study: Study) -> Record | None:
    """The hand-scaled network of the highest predicted accuracy, None where there is none."""
    records = [record for record in study.records() if record.like]
    return max(records, key=lambda record: record.score, default=None)
