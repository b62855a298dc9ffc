"""A network drawn row by row: widths as bars, what is pruned, resolution, share of latency."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

from nas.architecture import Architecture
from nas.charts import Bars
from nas.describe import layers
from nas.latency import Target
from nas.space import SearchSpace
from nas.support.errors import NasError
from nas.support.html import Html, tag
from nas.support.text import significant

MOST_BARS = 60
BARS = (
    "bars: output channels × pixels, by the root of the channels; and the predicted latency with "
    "its share of the whole"
)


class Drawn(NamedTuple):
    """A network's rows as `nas.describe.layers` gives them, what belongs to no row, and the share
    of hidden channels that is pruned, by row."""

    layers: list[dict[str, Any]]
    constant_ms: float
    pruned: dict[str, float]

    @classmethod
    def of(cls, arch: Architecture, target: Target, space: SearchSpace | None = None) -> Drawn:
        """The rows of a network; what is pruned is known where it is of a `space`."""
        return cls(layers(arch, target), target.constant_ms, pruned(arch, space) if space else {})

    @property
    def total_ms(self) -> float:
        """The latency of the whole."""
        return self.constant_ms + sum(float(layer["latency_ms"]) for layer in self.layers)


def pruned(arch: Architecture, space: SearchSpace) -> dict[str, float]:
    """The share of hidden channels that a space's pruning ratio removes, by the row's name; none
    for rows without, and nothing where the space does not have the network."""
    try:
        params = space.encode(arch)
    except NasError:
        return {}
    shares, stages = {}, iter(enumerate(arch.stages))
    for i, settings in enumerate(space.settings.stages):
        depth = params.get(f"stage{i}.depth", settings.depth[0])  # what is not chosen is no option
        if not depth:
            continue
        k, rows = next(stages)
        for j in range(depth):
            place = len(rows) - depth + j
            ratio = params.get(f"stage{i}.prune{j}", space.settings.prune[0])
            if ratio and "hidden" in dict(rows[place].settings):
                shares[f"stages.{k}.{place}"] = float(ratio)
    return shares


def latency_chart(drawn: Drawn) -> Bars:
    """The latency of each row, the longest first where there are many."""
    rows = [(f"{one['name']} {one['kind']}", one["latency_ms"]) for one in drawn.layers]
    rows.append(("constant", drawn.constant_ms))
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda row: -row[1])[:MOST_BARS]
    texts = [f"{significant(ms, 2)} ms" for _, ms in rows]
    names, values = [name for name, _ in rows], [ms for _, ms in rows]
    return Bars(
        "latency-by-layer", "The best network, layer by layer", "predicted ms", names, values, texts
    )


def network_html(drawn: Drawn) -> Html:
    """The network as a list, one item a row, from input to output."""
    widest = max(layer["shape"][0] for layer in drawn.layers)
    slowest = max(layer["latency_ms"] for layer in drawn.layers)
    total, items, before = drawn.total_ms, [], ""
    for layer in drawn.layers:
        part, _, _ = layer["name"].rpartition(".")
        if part != before:
            size = "×".join(map(str, layer["input_shape"][1:]))
            channels = layer["input_shape"][0]
            title = part.replace("stages.", "stage ")
            items.append(tag("li", f"{title}, from {channels} × {size}", class_="part"))
            before = part
        items.append(_row(layer, drawn.pruned.get(layer["name"]), widest, slowest, total))
    share = drawn.constant_ms / total if total else 0
    words = f"constant, of no layer: {significant(drawn.constant_ms, 2)} ms, {share:.0%}"
    return tag("ol", items, tag("li", words, class_="part"), class_="net")


def _row(
    layer: dict[str, Any], ratio: float | None, widest: int, slowest: float, total: float
) -> Html:
    channels, height, width = layer["shape"]
    settings = ", ".join(
        f"{key} {value}" for key, value in layer["settings"].items() if key != "out"
    )
    ms = layer["latency_ms"]
    share = ms / total if total else 0.0
    # Areas are channels by pixels: widths grow by the root, as channels range over two decades.
    wide = 100 * sqrt(channels / widest)
    return tag(
        "li",
        tag("span", tag("b", layer["kind"]), f" {settings}", class_="what"),
        tag(
            "span",
            tag("i", style=f"width:{wide:.0f}%"),
            tag("span", f"{channels} × {height}×{width}"),
            class_="bar-of",
        ),
        tag("span", f"{ratio:.0%} pruned" if ratio else "", class_="pruned"),
        tag(
            "span",
            tag("i", style=f"width:{100 * ms / slowest if slowest else 0:.0f}%"),
            tag("span", f"{significant(ms, 2)} ms, {share:.0%}"),
            class_="bar-of time",
        ),
    )
