"""A graph as plain JSON types, for tables that hold networks of other programs."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

from pydantic import Field, model_validator

from nas.graph import Act, Graph, Node, Op
from nas.support.errors import NasError
from nas.support.validation import Settings, validated

DEFAULTS = Node("input", "", (), (1, 1, 1))._asdict()
OWN = ("op", "inputs", "shape")  # what every node says
MOST_NODES, MOST_VALUES = 100_000, 1 << 30

Count = Annotated[int, Field(ge=0, le=1 << 24)]
Positive = Annotated[int, Field(ge=1, le=1 << 24)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Node(Settings):
    """A node as it is stored: without its name, and without what is so by default."""

    op: Op
    inputs: tuple[Count, ...]
    shape: tuple[Positive, Positive, Positive]
    kernel: tuple[Positive, Positive] = (1, 1)
    stride: Positive | tuple[Positive, Positive] = 1
    padding: tuple[Count, Count] = (0, 0)
    groups: Positive = 1
    norm: bool = False
    act: Act | None = None
    bias: bool = False
    start: Count = 0
    ceil: bool = False
    after: tuple[int, int] | None = None
    dilation: tuple[Positive, Positive] = (1, 1)
    mode: Annotated[str, Field(max_length=100)] = ""
    slope: Number = 0.01
    fill: Number = 0.0
    counted: bool = True


class _Graph(Settings):
    """A graph as it is stored. The first node is the input."""

    nodes: Annotated[list[_Node], Field(min_length=2, max_length=MOST_NODES)]
    outputs: Annotated[list[Count], Field(min_length=1)]

    @model_validator(mode="after")
    def _goes_together(self) -> _Graph:
        if any(i >= len(self.nodes) for i in self.outputs):
            raise ValueError("outputs: must be nodes")
        for i, node in enumerate(self.nodes):
            if (node.op == "input") != (i == 0) or bool(node.inputs) != (i > 0):
                raise ValueError(f"nodes.{i}: the input is the first, and only it reads nothing")
            if any(j >= i for j in node.inputs) or prod(node.shape) > MOST_VALUES:
                raise ValueError(f"nodes.{i}: reads what is behind it, or is too large")
            if node.op in ("conv", "deconv"):
                channels = (node.shape[0], self.nodes[node.inputs[0]].shape[0])
                if any(c % node.groups for c in channels):
                    raise ValueError(f"nodes.{i}: groups must divide the channels")
        return self


def graph_to_plain(graph: Graph) -> dict[str, Any]:
    """The graph as JSON types; nodes lose their names."""
    nodes = []
    for node in graph.nodes:
        facts = node._replace(name="")._asdict()
        nodes.append({k: v for k, v in facts.items() if k in OWN or v != DEFAULTS[k]})
    return {"nodes": nodes, "outputs": [graph.output, *graph.others]}


def graph_of_plain(data: object, source: str) -> Graph:
    """What `graph_to_plain` gave. Errors: `NasError` naming `source` and the rule it breaks."""
    stored = validated(_Graph, data, source)
    nodes = [Node(**{**dict(node), "name": f"{node.op}{i}"}) for i, node in enumerate(stored.nodes)]
    if any(node.op == "unread" for node in nodes):
        raise NasError(f"{source}: a network with operations that were not read cannot be timed")
    return Graph(tuple(nodes), stored.outputs[0], tuple(stored.outputs[1:]))
