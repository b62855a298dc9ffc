"""Fits a search space or a network to a data set: its classes, channels and resolution."""

from __future__ import annotations

from dataclasses import replace

from nas.architecture import Architecture, with_classes
from nas.data.dataset import DataSet
from nas.space import SearchSpace
from nas.support.errors import NasError


def fit_space(space: SearchSpace, data: DataSet) -> SearchSpace:
    """The space with the data set's classes and channels, and no resolution above the images' own.

    A higher resolution would cost more and show no more. Where all of the space's are higher, the
    smallest stays, because the space's strides are made for it, and images are enlarged.
    """
    resolutions = space.settings.resolution
    kept = [r for r in resolutions if r <= data.resolution] or [min(resolutions)]
    changes = {"classes": len(data.classes), "channels": data.channels, "resolution": kept}
    return SearchSpace.from_dict({**space.to_dict(), **changes}, f"search space {space.name}")


def fit_architecture(arch: Architecture, data: DataSet) -> Architecture:
    """The network with the data set's channels, and one output for each of its classes.

    Errors: `NasError` where the number of outputs must change and the last row is not linear.
    """
    try:
        return with_classes(replace(arch, channels=data.channels), len(data.classes))
    except NasError as error:
        raise NasError(f"{data.source}: {error}") from None
