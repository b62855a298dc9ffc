"""The predicted accuracy of a network, and what each of its parts gives to it and takes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.cli.tables import table
from nas.report.words import accuracy_line
from nas.support.text import significant

if TYPE_CHECKING:
    from rich.table import Table

    from nas.imported import Network
    from nas.study import Study

GIVEN = (
    "what each part gives to the predicted accuracy: log odds, which add up to the prediction's, "
    "and points, which would be missing without them"
)


def predicted_accuracy(network: Network, study: Study | None) -> dict[str, Any] | None:
    """What the network's study predicts of it, or else the shipped prior, as `nas.describe` has it;
    None of a network that another program wrote."""
    from nas.accuracy import AccuracyModel
    from nas.describe import accuracy

    if study is None:
        return accuracy(network, AccuracyModel.load())
    of = study.predictions
    learned = len(of.measured) if of.adapted else 0
    return accuracy(network, of.model, study.settings.data, learned)


def trained_accuracy(name: str) -> dict[str, float | int] | None:
    """The accuracy of the training whose folder that is, once it has ended, as shares of its
    images; else None."""
    from nas.study.networks import training_of
    from nas.training.checkpoint import kept_epoch, read_state

    folder = training_of(name)
    if folder is None or not (state := read_state(folder)).finished:
        return None
    found: dict[str, float | int] = {
        "epochs": len(state.history),
        "validation": kept_epoch(state.recipe, state.history).validation_accuracy,
    }
    return found if state.test_accuracy is None else found | {"test": state.test_accuracy}


def trained_line(facts: Mapping[str, float | int]) -> str:
    """What `trained_accuracy` found, in words."""
    tested = f", {facts['test']:.2%} of its test images" if "test" in facts else ""
    return (
        f"accuracy measured after its training of {facts['epochs']} epochs: "
        f"{facts['validation']:.2%} of its validation images{tested}"
    )


def accuracy_parts(
    facts: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], study: Study | None
) -> list[str | Table]:
    """A predicted accuracy, what it is of, and what each part gives to it."""
    steps = study.settings.training_steps if study else None
    grey = layers[0]["input_shape"][0] == 1
    return [accuracy_line(facts, steps, grey=grey), *gains_parts(facts, layers)]


def gains_parts(facts: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]) -> list[str | Table]:
    """What each part gives to a predicted accuracy, beside the latency of its layers."""
    latency: dict[str, float] = {}
    for layer in layers:
        part = layer["name"].rpartition(".")[0]
        latency[part] = latency.get(part, 0.0) + layer["latency_ms"]
    rows = [
        (
            gain["part"],
            f"{gain['log_odds']:+.2f}",
            "" if gain["points"] is None else f"{gain['points']:+.1f}",
            significant(latency[gain["part"]]) if gain["part"] in latency else "",
        )
        for gain in facts["parts"]
    ]
    return [GIVEN, table(("part", "log odds", "points", "ms"), rows)]
