"""The model card of a result: what it is, how good it is, how it was made, how to run it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.auto.measured import Measured
from nas.auto.result import WORK, Compared, Result
from nas.costs import cost
from nas.data import DataSet
from nas.latency import Target
from nas.report.words import drifted, extrapolated
from nas.resolution import in_words
from nas.study.scoring import share_interval
from nas.support.text import between, significant

COLUMNS = ("network", "accuracy", "expected", "latency ms", "MMACs", "Mparams")


def accuracy_line(result: Result, data: DataSet) -> str:
    """The accuracy on images that nothing was chosen by, with its interval."""
    seen = ""
    if result.winner.pruned and result.parent_data != data.checksum:
        seen = "; its parent was trained on other images and may have seen these"
    if result.trained.test is None or data.test is None:
        count = len(data.validation.labels)
        return (
            f"{result.trained.accuracy:.1%} on the {count} validation images, by which it was "
            f"chosen: there are no test images{seen}"
        )
    count = len(data.test.labels)
    low, high = share_interval(result.trained.test.accuracy, count)
    return (
        f"{result.trained.test.accuracy:.1%} (90% interval {low:.1%} to {high:.1%}) of {count} "
        f"test images, which nothing was chosen by{seen}"
    )


def order(result: Result) -> str:
    """What the table of compared networks is ordered by."""
    if result.foreseen:
        return "by what is expected on the validation images after the winner's training"
    return "too few steps to tell what they come to in the end"


def verdict(result: Result) -> str:
    """How the best of the search stands beside the best network scaled by hand."""
    compared = result.compared
    by_hand = next((each for each in compared if each.by_hand), None)
    found = next((each for each in compared if not each.by_hand), None)
    if by_hand is None:
        more = len(result.study.settings.budgets) > len(result.asked.budgets)
        time = " and the time" if more else ""
        return f"no published family fits the budgets{time}: there is nothing to compare with"
    if compared[0] is by_hand or found is None:
        return (
            f"the search found nothing better than {by_hand.by_hand}, scaled by hand, which is "
            "the result"
        )
    expected, brief = (
        f"{100 * (mine - other):+.1f} points"
        for mine, other in (
            (found.expected, by_hand.expected), (found.accuracy, by_hand.accuracy)
        )
    )  # fmt: skip
    beside = f"against {by_hand.by_hand}, the best network scaled by hand"
    if not result.foreseen:
        return f"{beside}: {brief} after the same brief training, which tells little of the end"
    return f"{beside}: {expected} are expected in the end, {brief} after the same brief training"


def remarks(result: Result, data: DataSet) -> list[str]:
    """What the table does not say: what became of the other finalists, that there was none, that
    the result has seen but some of the images."""
    epochs = result.study.settings.recipe.epochs
    stopped = [
        f"trial {f.record.trial} fell behind and was stopped after {f.epochs} of {epochs} epochs, "
        f"at {f.accuracy:.2%}"
        for f in result.stopped
    ]
    failed = [f"trial {r.trial} could not be trained: {why}" for r, why in result.failed]
    alone = ["no other network was trained beside it, so nothing shows that it is a good one"]
    some, whole = result.trained.recipe.images, len(data.train.labels)
    few = [f"it was trained on {some} of the {whole} training images alone: give it more time"]
    return [
        *stopped,
        *failed,
        *(alone if len(result.compared) == 1 else []),
        *(few if some is not None and some < whole else []),
    ]


def name_of(each: Compared) -> str:
    """A compared network in words."""
    if each.by_hand:
        return f"by hand: {each.by_hand}"
    return f"{'pruned, ' if each.pruned else ''}trial {each.record.trial}"


def compared_rows(result: Result) -> list[tuple[str, ...]]:
    """Name, accuracy after the brief training, what is expected after the winner's, latency, MMACs,
    Mparams of what was compared."""
    return [
        (
            name_of(each),
            f"{each.accuracy:.2%}",
            f"{each.expected:.1%}" if result.foreseen else "–",
            significant(each.record.latency_ms),
            significant(each.record.macs / 1e6),
            significant(each.record.params / 1e6),
        )
        for each in result.compared
    ]


def model_card(
    result: Result, data: DataSet, files: Sequence[tuple[str, str]], versions: str,
    measured: Measured | None,
) -> str:  # fmt: skip
    """The card as Markdown; `files` are names and what each is."""
    arch, costs, stands = result.trained.arch, cost(result.trained.arch), verdict(result)
    rows = "\n".join(f"| {' | '.join(row)} |" for row in compared_rows(result))
    others = "".join(f"- {line}\n" for line in remarks(result, data))
    cut = "\n".join(f"- {line}" for line in result.cut) or "- nothing was cut"
    names = "\n".join(f"- `{name}`: {what}" for name, what in files)
    classes = ", ".join(data.classes[:20]) + (", …" if len(data.classes) > 20 else "")
    return f"""# {arch.name or "Network"} for {result.target.name}

A convolutional network that classifies images of {data.channels} channel(s) at
{in_words(arch.resolution)} pixels into {len(data.classes)} classes: {classes}.

| | |
|---|---|
| accuracy | {accuracy_line(result, data)} |
| latency | {predicted_line(result)} |
| measured | {timed_line(measured, result.target)} |
| size | {costs.params / 1e6:.3g} M parameters, {costs.macs / 1e6:.3g} M multiply-adds |
| budgets | {", ".join(result.asked.budgets) or "none"} |

## Against networks scaled by hand

{stands[:1].upper()}{stands[1:]}. Trained alike
({result.study.settings.recipe.epochs} epochs), validation accuracy; {order(result)}:

| {" | ".join(COLUMNS)} |
{"|---" * len(COLUMNS)}|
{rows}

{others}
## Files

{names}

Run it: `python predict.py IMAGE …` needs onnxruntime, numpy and Pillow alone.

## How it was made

- Data: {data.describe()}
{_made(result)}
- Versions: {versions}
- Time: {result.seconds / 60:.1f} minutes.

Cut for time:
{cut}

## Limits

It was made for images like those it was trained on; on others its accuracy is unknown. Its shares
are not calibrated. The network and its weights are yours; what the images' licence asks of networks
trained on them is for you to see.
"""


def predicted_line(result: Result) -> str:
    """The predicted latency of the result, in words."""
    target = result.target
    predicted, device = target.predict(result.trained.arch), target.metadata
    kind = "90% interval" if target.interval_known else "assumed"
    interval = between(predicted.low_ms, predicted.high_ms)
    return (
        f"{significant(predicted.ms)} ms predicted ({kind} {interval}) on {device.device}, "
        f"{device.runtime}, {device.precision}; "
        f"the target is {device.provenance}"
        f"{''.join(f'; {line}' for line in extrapolated(target, [predicted]))}"
    )


def timed_line(measured: Measured | None, target: Target) -> str:
    """The measured latency of the result, in words."""
    if measured is None:
        return "not measured"
    timed = f"{significant(measured.comparison.measured_ms)} ms ({measured.noise})"
    said = f"{timed} {measured.how}, on {measured.device}"
    return "; ".join([said, drifted(target, measured.drift), *measured.notes])


def _made(result: Result) -> str:
    """How it was searched and trained."""
    study, recipe, epochs = result.study, result.trained.recipe, len(result.trained.history)
    return f"""- Search: {study.tally().trials} networks of the space `{study.space.name}`,
  {score_words(result)}.
- Training: {epochs} epochs, batch size {recipe.batch_size}, {recipe.optimiser}, learning
  rate {recipe.lr:g}, seed {recipe.seed}; everything in
  `{WORK}/{result.folder.relative_to(result.work)}/training.json`.{_begun_with(result)}"""


def _begun_with(result: Result) -> str:
    """Whose weights the network began with, where that is somebody else's to allow."""
    if not (result.winner.pruned and result.asked.weights):
        return ""
    return (
        f"\n- It is pruned from a network whose training began with the weights of "
        f"`{Path(result.asked.weights).name}`: what their licence asks holds for these too."
    )


def score_words(result: Result) -> str:
    """What the search went by."""
    count = len(result.study.predictions.measured)
    if not count:
        return "by an accuracy that is predicted from published networks, not from these data"
    return f"by an accuracy predicted from {count} networks that were trained on these data"
