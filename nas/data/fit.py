"""Fits a search space or a network to a data set: its classes, channels and resolution."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace

from nas.architecture import Architecture, with_classes
from nas.data.dataset import DataSet
from nas.resolution import Resolution, in_words, mean_side, sides
from nas.space import SearchSpace
from nas.support.errors import NasError, NasWarning

STRETCHED = 1.1  # a side against the other


def fit_space(space: SearchSpace, data: DataSet) -> SearchSpace:
    """The space with the data set's classes and channels, and no resolution of more pixels than
    the images' own.

    A higher resolution would cost more and show no more. Where all of the space's are higher, the
    smallest stays, because the space's strides are made for it, and images are enlarged.
    """
    resolutions = space.settings.resolution
    most = mean_side(data.resolution)
    least = min(resolutions, key=mean_side)
    kept = [r for r in resolutions if mean_side(r) <= most] or [least]
    _tell_stretched(kept, data)
    changes = {"classes": len(data.classes), "channels": data.channels, "resolution": kept}
    return SearchSpace.from_dict({**space.to_dict(), **changes}, f"search space {space.name}")


def fit_architecture(arch: Architecture, data: DataSet) -> Architecture:
    """The network with the data set's channels, and one output for each of its classes.

    Errors: `NasError` where the number of outputs must change and the last row is not linear.
    """
    _tell_stretched([arch.resolution], data)
    try:
        return with_classes(replace(arch, channels=data.channels), len(data.classes))
    except NasError as error:
        raise NasError(f"{data.source}: {error}") from None


def _tell_stretched(resolutions: Iterable[Resolution], data: DataSet) -> None:
    """Warns where images are shown in another shape than theirs."""
    tall = _tallness(data.resolution)
    stretched = [
        in_words(size)
        for size in resolutions
        if not 1 / STRETCHED < _tallness(size) / tall < STRETCHED
    ]
    if stretched:
        warnings.warn(
            f"images of {in_words(data.resolution)} pixels are stretched to "
            f"{', '.join(stretched)}: image files keep their shape with --image-size "
            f"{stretched[-1]}",
            NasWarning,
            stacklevel=3,
        )


def _tallness(resolution: Resolution) -> float:
    height, width = sides(resolution)
    return height / width
