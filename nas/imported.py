"""`ImportedNetwork`: a network that another program wrote, beside the architectures made here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy.typing as npt

from nas.architecture import Architecture
from nas.costs import Cost, cost, graph_cost
from nas.graph import Graph, Shape
from nas.support.errors import NasError, check_type, shown


@dataclass(frozen=True, eq=False)
class ImportedNetwork:
    """A network that another program wrote: its graph, and its weights by the names that they have
    in its torch module. `outputs` are the names and dimensions of its results;
    `channels_last` is whether the file takes its image so: the graph takes channels first.

    Unlike an architecture it has no rows that a search could choose; what reads a graph reads it.
    """

    name: str
    nodes: Graph
    weights: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    channels_last: bool = False

    def graph(self) -> Graph:
        """The whole network as one graph."""
        return self.nodes

    @property
    def input_shape(self) -> Shape:
        return self.nodes.input_shape

    @property
    def hash(self) -> str:
        """64 hexadecimal digits, equal for networks with the same graph."""
        plain = [tuple(node._replace(name="")) for node in self.nodes.nodes]
        return sha256(repr((plain, self.nodes[1:])).encode()).hexdigest()

    @property
    def unread(self) -> dict[str, int]:
        """The operations that were not read, with their number; costs leave them out."""
        return dict(Counter(n.mode for n in self.nodes.nodes if n.op == "unread").most_common())

    @property
    def left_out(self) -> str:
        """A line about what costs and latencies leave out; empty where they leave out nothing."""
        if not self.unread:
            return ""
        named = ", ".join(f"{count} {name}" for name, count in self.unread.items())
        return f"not read, so left out of parameters, multiply-adds and latency: {named}"


Network = Architecture | ImportedNetwork


def check_network(network: object, what: str) -> None:
    """Checks that `what` is given a network, not its name. Errors: `NasError`."""
    if not isinstance(network, Network):
        raise NasError(f"{what}: {shown(network)} is no network; nas.reference(name) makes one")


def networks_of(networks: Any, what: str) -> Iterator[Any]:
    """The networks that `what` is given several of. Errors: `NasError` where it is given one."""
    check_type(networks, what, "given a list of networks", Iterable)
    return iter(networks)


def network_pairs(given: Any, what: str) -> list[tuple[Network, Any]]:
    """The pairs of a network and a number that `what` is given. Errors: `NasError`."""
    pairs = []
    for pair in given if isinstance(given, Iterable) else [given]:
        try:
            network, number = pair
        except (TypeError, ValueError):
            rule = f"{what} takes pairs of a network and a number"
            raise NasError(f"{rule}, not {shown(pair)}") from None
        check_network(network, what)
        pairs.append((network, number))
    return pairs


def network_cost(network: Network) -> Cost:
    """The cost of any network; of an imported one without what was not read."""
    if isinstance(network, Architecture):
        return cost(network)
    return graph_cost(network.graph())
