"""Sentences on what numbers are worth, the same on a terminal and in a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from nas.latency import Prediction, Target
from nas.plugins import options_of
from nas.study.plan import numbered
from nas.support.errors import NasError
from nas.support.text import between

if TYPE_CHECKING:
    from nas.study import Study


def anew(study: Study, config: str) -> str:
    """The command that begins the study of a file of options anew: without a name of its own it
    would go on with one of the default name that is there."""
    taken = set(study.storage.names())
    free = next(each for each in numbered(study.name) if each not in taken)
    return f"nas search --config {quote(config)} --study {named(study, free)}"


def named(study: Study, name: str | None = None) -> str:
    """The study, or one of that `name` beside it, as the commands that are suggested name it, with
    what they need to find it: its storage, without a password, and its plugins."""
    return study.storage.named(name or study.name) + options_of(study.settings.plugins)


def known_interval(low: float, high: float, known: bool) -> str:
    """The interval with what it is, or that there is none to rely on."""
    return f"90% interval {between(low, high)}" if known else "no error known"


def latency_source(target: Target) -> str:
    """A sentence on where predicted latencies come from, and whether their error is known."""
    facts = target.metadata
    error = "with its 90% interval" if target.interval_known else "no error known"
    return f"latency: predicted for {target.name}, {facts.kind}, {error}"


def extrapolated(target: Target | None, intervals: Iterable[Sequence[float]]) -> list[str]:
    """One line where latencies (ms, low, high) rest on work that the target's networks hardly
    determine, so that their intervals are wide; no line where none does."""
    all_of_them = [Prediction(*one) for one in intervals]
    wide = sum(target.extrapolates(one) for one in all_of_them) if target else 0
    if not wide or target is None:
        return []
    alone = "this latency" if len(all_of_them) == 1 else "1 of these latencies"
    some = f"{wide} of these latencies are of networks"
    return [
        f"extrapolated: {f'{alone} is of a network' if wide == 1 else some} unlike those "
        f"that {target.name} was fitted to, hence the wide interval"
    ]


def drifted(target: Target, drift: float, without: str = "") -> str:
    """How much longer reference networks take where something was timed than a target predicts, and
    what error is left `without` that."""
    much = f"{abs(drift):.1%} {'longer' if drift > 0 else 'less'}"
    left = f": without that, {without}" if without else ""
    return f"reference networks take {much} there than {target.name} predicts{left}"


def study_target(study: Study) -> tuple[Target | None, str]:
    """A study's target, as far as it can still be read, and where the stored latencies come from.

    That they come from a table that has changed since is an error only to whoever resumes.
    """
    try:
        return study.target, latency_source(study.target)
    except NasError:
        source = f"latency: predicted for {study.settings.target} when the study began"
    try:
        changed = Target.load(study.settings.target)
    except NasError as error:
        return None, f"{source}; now it cannot be read: {error}"
    return changed, f"{source}; its table has changed since: the layers' ms are by the new one"


def score_source(study: Study) -> str:
    """A sentence on what a study's score says, and of what."""
    if study.settings.pruning is not None:
        return (
            "inherited accuracy: percent of validation images that are classified correctly with "
            "the parent's weights, before any training, with its 90% interval; compare it at one "
            "resolution: fewer pixels cost more once children are fine-tuned"
        )
    if not study.predicts:
        return (
            f"score: sum of log ranks of {', '.join(study.settings.proxies)} among random networks "
            "within the budgets (0 beats them all in all); it is no accuracy"
        )
    if study.predictions.adapted:
        return (
            f"predicted accuracy in percent on {study.settings.data}, learned from "
            f"{len(study.predictions.measured)} networks trained on it, with its 90% interval"
        )
    benchmark = study.predictions.model.benchmark(study.settings.space["classes"])
    grey = study.settings.space["channels"] == 1
    return (
        f"predicted accuracy: what the top-1 in percent would be on {benchmark} "
        f"{trained_how(study.settings.training_steps)}, with its 90% interval; "
        f"{what_counts(study.settings.training_steps, grey=grey)}"
    )


def trained_how(steps: int | None) -> str:
    """By which trainings an accuracy of a benchmark would be."""
    return f"after {steps} steps" if steps else "by a published recipe"


def what_counts(steps: int | None, *, grey: bool) -> str:
    """Words on what a prediction says of data of which it has learned nothing; `steps` of the
    trainings may be known, and images `grey`."""
    short = grey and not steps
    trained = " (of short trainings, as those of grey images are)" if short else ""
    return f"order and differences{trained} count, for other data the value does not"


def accuracy_line(facts: Mapping[str, Any], steps: int | None, *, grey: bool) -> str:
    """A network's predicted accuracy, as `nas.describe.accuracy` has it, and what it is of."""
    value, low, high = (facts[name] for name in ("value", "low", "high"))
    said = f"predicted accuracy, not measured: {value:.1f}%, 90% interval {low:.1f}–{high:.1f}%, "
    if facts["learned_from"]:
        return (
            said + f"on {facts['of']}, learned from {facts['learned_from']} networks trained on it"
        )
    return (
        said + f"what the top-1 would be on {facts['of']} {trained_how(steps)}; "
        f"{what_counts(steps, grey=grey)}"
    )


def compared_scores(study: Study) -> str:
    """A sentence on what scores and hypervolume are where the study is compared with others that
    are scored alike."""
    if not study.predicts:
        return (
            "scores are relative to the reference samples of all these studies together, the "
            "hypervolume to the worst in them; neither is an accuracy"
        )
    of = study.predictions.model.benchmark(study.settings.space["classes"])
    if study.predictions.adapted:
        of = f"{study.settings.data}, learned from {len(study.predictions.measured)} networks"
    return (
        f"scores are predicted accuracies in percent on {of}, compared as they are; the "
        "hypervolume is relative to the worst random networks of all these studies together"
    )
