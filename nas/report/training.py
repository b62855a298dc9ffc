"""The charts of trainings: curves, the confusion matrix, and images that are classified wrong."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas.charts import XY, Bars, Matrix, Series
from nas.support.html import Html, tag

if TYPE_CHECKING:
    from nas.data import DataSet
    from nas.training.checkpoint import Epoch
    from nas.training.trained import Trained

MOST_CURVES = 6  # that colours tell apart
MOST_CLASSES = 25  # of a matrix that can be read
MOST_CONFUSIONS = 15
WRONG = 12  # images that are shown
SIDE = 96  # px, at least


class Outcome(NamedTuple):
    """What a network makes of images: `taken` (N,) class indices, each with its `share` of all
    probability, for images of true `labels`."""

    taken: NDArray[np.int64]
    share: NDArray[np.float64]
    labels: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of images that are classified right."""
        return float((self.taken == self.labels).mean())


def classify(trained: Trained, data: DataSet) -> Outcome:
    """What a trained network makes of the validation images of its data set."""
    import torch

    from nas.training.accuracy import logits
    from nas.training.batches import Normalise, Pixels

    cpu = torch.device("cpu")
    images = Pixels(data.validation, trained.arch.resolution, cpu)
    outputs = logits(trained.module, images, Normalise(data, cpu)).double().softmax(1)
    share, taken = outputs.max(1)
    return Outcome(taken.numpy(), share.numpy(), data.validation.labels)


def curves_charts(histories: Mapping[str, tuple[Epoch, ...]]) -> list[XY]:
    """Accuracy and loss after each epoch: of validation images, and where there is one training of
    its training images as well."""
    some = dict(list(histories.items())[:MOST_CURVES])
    charts = []
    for kind, unit, label in (("accuracy", 100, "accuracy (%)"), ("loss", 1, "cross entropy")):
        series = []
        for name, history in some.items():
            epochs = [epoch.epoch for epoch in history]
            values = [unit * getattr(epoch, f"validation_{kind}") for epoch in history]
            alone = len(some) == 1
            series.append(Series("validation images" if alone else name, epochs, values))
            if alone:
                own = [unit * getattr(epoch, kind) for epoch in history]
                series.append(Series("training images", epochs, own, dashed=True))
        whose = "" if len(some) == 1 else " on the validation images"
        charts.append(
            XY(f"training-{kind}", f"{kind.capitalize()}{whose}", "epochs", label, series)
        )
    return charts


def confusion_chart(outcome: Outcome, classes: tuple[str, ...]) -> Matrix | Bars:
    """The confusion matrix, or of many classes the most frequent confusions."""
    count = len(classes)
    counts = np.zeros((count, count), int)
    np.add.at(counts, (outcome.labels, outcome.taken), 1)
    if count <= MOST_CLASSES:
        return Matrix("confusion", "Confusion matrix", classes, counts.tolist())
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(i), count) for i in order if counts.flat[i]]
    return Bars(
        "confusion",
        "Most frequent confusions",
        "images",
        [f"{classes[i]} taken for {classes[j]}" for i, j in pairs],
        [float(counts[i, j]) for i, j in pairs],
        [str(counts[i, j]) for i, j in pairs],
    )


def wrong_images(outcome: Outcome, data: DataSet) -> list[Html]:
    """Some images that are classified wrong, those first of which the network is surest."""
    wrong = np.flatnonzero(outcome.taken != outcome.labels)
    chosen = wrong[np.argsort(-outcome.share[wrong], kind="stable")][:WRONG]
    figures = []
    for i in chosen:
        taken, true = (data.classes[int(each[i])] for each in (outcome.taken, outcome.labels))
        said = f"{true} taken for {taken} ({outcome.share[i]:.0%})"
        image = tag("img", src=_source(data.validation.pixels[i]), alt=f"an image of {true}")
        figures.append(tag("figure", image, tag("figcaption", said)))
    return figures


def _source(pixels: NDArray[np.uint8]) -> str:
    """A URL that holds the image (C, H, W), at least `SIDE` px wide, its pixels as they are."""
    from PIL import Image

    values = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[:3], 0, -1)
    image = Image.fromarray(np.ascontiguousarray(values))
    if image.width < SIDE:
        factor = -(-SIDE // image.width)
        image = image.resize(
            (factor * image.width, factor * image.height), Image.Resampling.NEAREST
        )
    elif image.width > 2 * SIDE:
        image.thumbnail((2 * SIDE, 2 * SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def read_histories(folders: Mapping[str, Path]) -> dict[str, tuple[Epoch, ...]]:
    """The epochs of the trainings in folders, by name; those that have none are left out."""
    from nas.training.checkpoint import is_training, read_state

    found = {
        name: read_state(folder).history for name, folder in folders.items() if is_training(folder)
    }
    return {name: history for name, history in found.items() if history}
