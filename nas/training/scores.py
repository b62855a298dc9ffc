"""`Scores`: what a classifier is worth on images, beyond the share that it has right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from nas.support.validation import Settings

if TYPE_CHECKING:
    from torch import Tensor

BINS = 15  # of confidence; Guo et al. 2017 take as many


class Scores(Settings):
    """How well a network classifies some images; all from 0 to 1.

    accuracy: the share whose likeliest class is the right one (top-1).
    macro_f1: the mean of the classes' F1, so that rare classes count as much as common ones.
    calibration_error: the mean distance between how sure the network is and how often it is right,
        over 15 bins of confidence (expected calibration error, Guo et al. 2017).
    by_class: the accuracy on each class's own images (recall), None for a class without any.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    by_class: tuple[float | None, ...]

    @classmethod
    def of(cls, outputs: Tensor, labels: Tensor) -> Self:
        """The scores of outputs (N, classes) against labels (N,)."""
        share, taken = outputs.double().softmax(1).max(1)
        right = (taken == labels).double()
        classes = outputs.shape[1]
        there, found, hits = (
            which.bincount(weight, minlength=classes).tolist()
            for which, weight in ((labels, None), (taken, None), (labels, right))
        )
        f1 = [2 * h / (t + f) for t, f, h in zip(there, found, hits, strict=True) if t + f]
        bins = (share * BINS).long().clamp(max=BINS - 1)
        gaps = bins.bincount(share - right, minlength=BINS).abs().sum().item()
        return cls(
            accuracy=right.mean().item(),
            macro_f1=sum(f1) / len(f1),
            calibration_error=gaps / len(labels),
            by_class=tuple(h / t if t else None for h, t in zip(hits, there, strict=True)),
        )

    def worst(self, classes: tuple[str, ...]) -> tuple[str, float]:
        """The class that it is worst at, and its accuracy on that."""
        known = [(value, name) for name, value in zip(classes, self.by_class, strict=True)
                 if value is not None]  # fmt: skip
        value, name = min(known)
        return name, value

    def line(self, classes: tuple[str, ...]) -> str:
        """The scores beside the accuracy, for people."""
        name, value = self.worst(classes)
        return (
            f"macro F1 {self.macro_f1:.2%}, calibration error {self.calibration_error:.2%}, "
            f"worst class {name} {value:.2%}"
        )
