"""The published networks as `Architecture`s, each written as the table of rows in its paper.

Where two implementations differ, each layout is a network of its own, named by a suffix.
Dropout is left out, and every batch norm has torch's epsilon.
"""

from __future__ import annotations

from nas.architecture import Architecture, check_size
from nas.references import (
    densenet,
    efficientnet,
    ghostnet,
    googlenet,
    lcnet,
    mlperf_tiny,
    mnasnet,
    mobilenet,
    mobilenet_v4,
    proxylessnas,
    regnet,
    reparameterised,
    resnet,
    shufflenet,
    squeezenet,
    squeezenext,
    vgg,
)
from nas.references.synonyms import synonym
from nas.references.table import Published, Reference
from nas.resolution import Resolution, read_resolution
from nas.support.errors import check_one_of, check_type

__all__ = ["Published", "meant", "published", "reference", "reference_names"]

_FAMILIES = (
    squeezenet,
    squeezenext,
    ghostnet,
    shufflenet,
    mobilenet,
    mnasnet,
    proxylessnas,
    efficientnet,
    regnet,
    resnet,
    googlenet,
    densenet,
    vgg,
    mobilenet_v4,
    lcnet,
    reparameterised,
    mlperf_tiny,
)
_NETWORKS: dict[str, Reference] = {k: v for f in _FAMILIES for k, v in f.NETWORKS.items()}


def reference_names() -> list[str]:
    """The names of all published networks."""
    return list(_NETWORKS)


def meant(name: str) -> str | None:
    """The name of the published network that `name` means: its own or a usual synonym."""
    check_type(name, "a network", "text: its name or its file's path", str)
    return name if name in _NETWORKS else synonym(name, _NETWORKS)


def reference(
    name: str, classes: int | None = None, resolution: Resolution | None = None
) -> Architecture:
    """The published network `name`, unless given with the `classes` and at the `resolution` that it
    was published for (mostly 1000 and 224 pixels).

    Errors: `NasError` with the nearest name, or the rule that a size breaks.
    """
    network = _network(name)
    size = network.resolution if resolution is None else read_resolution(resolution)
    outputs = check_size(network.classes if classes is None else classes, "classes")
    stem, stages, head = network.layout(outputs)
    return Architecture(size, stem, stages, head, name=name)


def published(name: str) -> Published:
    """The published accuracy of the network, if there is one, and its source."""
    return _network(name).published


def _network(name: str) -> Reference:
    check_one_of("reference network", name, _NETWORKS, lister="nas references")
    return _NETWORKS[name]
