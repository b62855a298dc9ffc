"""An architecture's totals and its layers, as plain data."""

from __future__ import annotations

from math import prod
from typing import Any

from nas.accuracy import AccuracyModel
from nas.architecture import Architecture
from nas.graph import Node
from nas.graph_costs import BYTES, bytes_at, graph_cost, node_cost
from nas.imported import ImportedNetwork, Network, network_cost
from nas.latency import Target
from nas.resolution import resolution_of


def layers(network: Network, target: Target) -> list[dict[str, Any]]:
    """One entry a row, of an imported network a node: shapes (C, H, W), costs, and its share of the
    predicted latency."""
    return _rows(network, target) if isinstance(network, Architecture) else _nodes(network, target)


def _rows(arch: Architecture, target: Target) -> list[dict[str, Any]]:
    entries = []
    rows = zip(arch.named_rows(), arch.row_graphs(), target.rows_ms(arch), strict=True)
    for (name, row), (_, graph), latency_ms in rows:
        params, macs, peak_bytes = graph_cost(graph)
        entries.append(
            {
                "name": name,
                "kind": row.kind,
                "settings": dict(row.settings),
                "input_shape": list(graph.nodes[0].shape),
                "shape": list(graph.output_shape),
                "params": params,
                "macs": macs,
                "peak_bytes": bytes_at(target.metadata.precision, peak_bytes),
                "latency_ms": latency_ms,
            }
        )
    return entries


def _nodes(network: ImportedNetwork, target: Target) -> list[dict[str, Any]]:
    entries = []
    nodes = network.graph().nodes
    for node, latency_ms in zip(nodes[1:], target.nodes_ms(network.graph()), strict=True):
        inputs = [nodes[i].shape for i in node.inputs]
        params, macs = node_cost(node, inputs[0])
        entries.append(
            {
                "name": node.name,
                "kind": node.mode if node.op == "unread" else node.op,
                "settings": _settings(node),
                "input_shape": list(inputs[0]),
                "shape": list(node.shape),
                "params": params,
                "macs": macs,
                "peak_bytes": sum(map(prod, [*inputs, node.shape]))
                * BYTES[target.metadata.precision],
                "latency_ms": latency_ms,
            }
        )
    return entries


def _settings(node: Node) -> dict[str, Any]:
    """The attributes that a node has not by default, apart from those that its shape tells."""
    shown = ("kernel", "stride", "groups", "act", "dilation")
    default = Node(node.op, node.name, (), node.shape)
    found = {key: getattr(node, key) for key in shown if node.op != "unread"}
    return {
        key: "x".join(map(str, value)) if isinstance(value, tuple) else value
        for key, value in found.items()
        if value != getattr(default, key)
    }


def describe(network: Network, target: Target) -> dict[str, Any]:
    """Totals and layers; bytes are those of the target's precision, and the latency is predicted
    for it, with its interval. It is `constant_ms`, which belongs to no layer, plus the layers'
    latencies. Of an imported network `unread` counts the operations that they leave out."""
    total, latency = network_cost(network), target.predict(network)
    precision = target.metadata.precision
    memory = target.memory(network) if isinstance(network, Architecture) else None
    return {
        "name": network.name or network.hash[:12],
        "target": target.name,
        "precision": precision,
        "resolution": resolution_of(*network.input_shape[1:]),
        "params": total.params,
        "macs": total.macs,
        "peak_bytes": bytes_at(precision, total.peak_bytes),
        "weight_bytes": bytes_at(precision, total.weight_bytes),
        **(memory._asdict() if memory else {}),
        "latency_ms": latency.ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        "constant_ms": target.constant_ms,
        "layers": layers(network, target),
        **({} if isinstance(network, Architecture) else {"unread": network.unread}),
    }


def accuracy(
    network: Network, model: AccuracyModel, data: str | None = None, learned_from: int = 0
) -> dict[str, Any] | None:
    """The accuracy that a model predicts, in percent with its interval, what it is `of`, and what
    each part gives to it; None of an imported network, which has no parts. The model may have
    `learned_from` so many networks that were trained on `data`; else it is of a benchmark."""
    if not isinstance(network, Architecture):
        return None
    share = 100 / model.unit
    return {
        **{name: share * value for name, value in model.predict(network)._asdict().items()},
        "of": data if learned_from else model.benchmark(network.classes),
        "learned_from": learned_from,
        "parts": [gain._asdict() for gain in model.gains(network)],
    }
