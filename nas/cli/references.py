"""`nas references`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption
from nas.cli.terminal import echo_json
from nas.defaults import DEFAULT_TARGET

if TYPE_CHECKING:
    from nas.latency import Target

RESOLUTION = 224  # of most
SORTS = ("name", "params", "macs", "top1", "latency")


def list_references(
    target: Annotated[
        str, typer.Option(help="Device to predict the latency for.")
    ] = DEFAULT_TARGET,
    sort: Annotated[
        str, typer.Option(help=f"{', '.join(SORTS)}: smallest first, top1 highest first.")
    ] = "name",
    as_json: JsonOption = False,
) -> None:
    """List the published networks, with their costs at the resolution each is for."""
    from nas.cli.tables import show, table
    from nas.latency import Target
    from nas.report.words import extrapolated, latency_source
    from nas.support.errors import one_of
    from nas.support.text import between, significant

    if sort not in SORTS:
        raise one_of("--sort", sort, SORTS)
    device = Target.load(target)
    facts = sorted(_facts(device), key=lambda f: (_rank(f, sort), f["name"]))
    if as_json:
        echo_json({"target": device.name, "networks": facts})
        return
    sources = list(dict.fromkeys(f["source"] for f in facts))
    rows = [
        (
            f["name"],
            significant(f["params"] / 1e6, 4),
            significant(f["macs"] / 1e6, 4),
            "–" if f["top1"] is None else f"{f['top1']:.1f}",
            f"[{sources.index(f['source']) + 1}]",
            significant(f["latency_ms"]),
            between(*f["latency_interval_ms"]) if device.interval_known else "–",
        )
        for f in facts
    ]
    others = [f for f in facts if f["resolution"] != RESOLUTION]
    sizes = ", ".join(sorted(f"{f['name']} {f['resolution']}" for f in others))
    columns = ("network", "Mparams", "MMACs", "top-1 %", "source", "latency ms", "interval")
    show(
        table(columns, rows, minor=("source", "interval", "Mparams")),
        f"{RESOLUTION} px ({sizes}), 1000 classes; top-1: ImageNet accuracy as it was published by",
        *(f"  [{i}] {source}" for i, source in enumerate(sources, 1)),
        latency_source(device),
        *extrapolated(device, ((f["latency_ms"], *f["latency_interval_ms"]) for f in facts)),
    )


def _rank(facts: dict[str, Any], sort: str) -> Any:
    """Smallest first; of accuracies the highest, and last what has none."""
    if sort == "top1":
        return -(facts["top1"] or 0.0)
    return facts["latency_ms" if sort == "latency" else sort]


def _facts(device: Target) -> list[dict[str, Any]]:
    """One entry a published network."""
    from nas.costs import cost
    from nas.references import published, reference, reference_names

    entries = []
    for name in reference_names():
        arch, accuracy = reference(name), published(name)
        total, latency = cost(arch), device.predict(arch)
        entries.append(
            {
                "name": name,
                "resolution": arch.resolution,
                "params": total.params,
                "macs": total.macs,
                "top1": accuracy.top1,
                "source": accuracy.source,
                "latency_ms": latency.ms,
                "latency_interval_ms": [latency.low_ms, latency.high_ms],
            }
        )
    return entries
