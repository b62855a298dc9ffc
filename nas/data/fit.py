"""What a data set means for a search space and for a network: classes, channels, resolution."""

from __future__ import annotations

from dataclasses import replace

from nas.architecture import Architecture
from nas.blocks import Block
from nas.data.dataset import DataSet
from nas.space import SearchSpace
from nas.support.errors import NasError


def fit_space(space: SearchSpace, data: DataSet) -> SearchSpace:
    """The space with the data set's classes and channels, and resolutions that it can fill.

    Resolutions above the images' own are left out, for they would cost without showing more; where
    all are, the smallest stays (the space's strides are made for it) and images are enlarged.
    """
    resolutions = space.settings.resolution
    kept = [r for r in resolutions if r <= data.resolution] or [min(resolutions)]
    changes = {"classes": len(data.classes), "channels": data.channels, "resolution": kept}
    return SearchSpace.from_dict({**space.to_dict(), **changes}, f"search space {space.name}")


def fit_architecture(arch: Architecture, data: DataSet) -> Architecture:
    """The network with the data set's channels, and as many outputs as it has classes.

    Errors: `NasError` where its last row, whose outputs are wrong in number, is no linear one.
    """
    fitted = replace(arch, channels=data.channels)
    if fitted.classes == len(data.classes):
        return fitted
    *rest, last = arch.head
    if last.kind != "linear":
        raise NasError(
            f"the network has {fitted.classes} outputs, {data.source} {len(data.classes)} classes, "
            f"and its last row is '{last.kind}': only a 'linear' one is adapted"
        )
    linear = Block(last.kind, **{**dict(last.settings), "out": len(data.classes)})
    return replace(fitted, head=(*rest, linear))
