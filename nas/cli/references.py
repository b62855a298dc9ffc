"""`nas references`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption
from nas.cli.terminal import echo_json
from nas.defaults import DEFAULT_TARGET

if TYPE_CHECKING:
    from nas.latency import Target

USUAL = {"resolution": 224, "classes": 1000}  # of most
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
    sizes, classes = (_others(facts, key) for key in USUAL)
    columns = ("network", "Mparams", "MMACs", "top-1 %", "source", "latency ms", "interval")
    show(
        table(columns, rows, minor=("source", "interval", "Mparams")),
        f"{sizes.format('px')}, {classes.format('classes')}; "
        "top-1: ImageNet accuracy as it was published by",
        *(f"  [{i}] {source}" for i, source in enumerate(sources, 1)),
        latency_source(device),
        *extrapolated(device, ((f["latency_ms"], *f["latency_interval_ms"]) for f in facts)),
    )


def _others(facts: list[dict[str, Any]], key: str) -> str:
    """The usual value of a size with room for its unit, and the networks that have another one."""
    others = sorted(f"{f['name']} {f[key]}" for f in facts if f[key] != USUAL[key])
    return f"{USUAL[key]} {{}} ({', '.join(others)})"


def _rank(facts: dict[str, Any], sort: str) -> Any:
    """Smallest first; of accuracies the highest, and last what has none."""
    if sort == "top1":
        return -(facts["top1"] or 0.0)
    return facts["latency_ms" if sort == "latency" else sort]


def _facts(device: Target) -> list[dict[str, Any]]:
    """One entry a published network."""
    from nas.costs import cost
    from nas.references import published, reference, reference_names

    entries, names = [], reference_names()
    archs = list(map(reference, names))
    for name, arch, latency in zip(names, archs, device.predict_all(archs), strict=True):
        accuracy, total = published(name), cost(arch)
        entries.append(
            {
                "name": name,
                "resolution": arch.resolution,
                "classes": arch.classes,
                "params": total.params,
                "macs": total.macs,
                "top1": accuracy.top1,
                "source": accuracy.source,
                "latency_ms": latency.ms,
                "latency_interval_ms": [latency.low_ms, latency.high_ms],
            }
        )
    return entries
