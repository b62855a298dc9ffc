"""An architecture's totals and its layers, as plain data."""

from __future__ import annotations

from typing import Any

from nas.architecture import Architecture
from nas.costs import bytes_at, cost, graph_cost
from nas.latency import Target


def layers(arch: Architecture, target: Target) -> list[dict[str, Any]]:
    """One entry a row: shapes (C, H, W), costs, and the row's share of the predicted latency."""
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


def describe(arch: Architecture, target: Target) -> dict[str, Any]:
    """Totals and layers; bytes are those of the target's precision, and the latency is predicted
    for it, with its interval. It is `constant_ms`, which belongs to no layer, plus the layers'
    latencies."""
    total, latency = cost(arch), target.predict(arch)
    precision = target.metadata.precision
    return {
        "name": arch.name or arch.hash[:12],
        "target": target.name,
        "precision": precision,
        "resolution": arch.resolution,
        "params": total.params,
        "macs": total.macs,
        "peak_bytes": bytes_at(precision, total.peak_bytes),
        "weight_bytes": bytes_at(precision, total.weight_bytes),
        "latency_ms": latency.ms,
        "latency_interval_ms": [latency.low_ms, latency.high_ms],
        "constant_ms": target.constant_ms,
        "layers": layers(arch, target),
    }
