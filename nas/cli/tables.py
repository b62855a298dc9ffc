"""Tables that people look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.latency import Target
    from nas.study import Record, Study

MAX_ROWS = 10


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, left: int = 1) -> Table:
    """A plain table; the first `left` columns are text, the others right-aligned numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i < left else "right", no_wrap=True)
    for row in rows:
        made.add_row(*[str(cell) for cell in row])
    return made


def show(*parts: Table | str) -> None:
    """Prints tables and lines on standard output, as wide as they need where nobody looks on."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200
    for part in parts:
        console.print(part, markup=False) if isinstance(part, str) else console.print(part)


def interval(low: float, high: float) -> str:
    """An interval in ms."""
    return f"{low:.2f}–{high:.2f}"


def print_best(study: Study) -> None:
    """The best architectures: those of the Pareto front with the highest scores."""
    front = study.pareto()
    shown = front[:MAX_ROWS]
    budgets = ", ".join(study.settings.budgets) or "no budget"
    device = study.target.metadata
    show(
        f"\nBest of {len(study.records())} scored networks ({budgets}); "
        f"Pareto front of score and latency: {len(front)}, {len(shown)} shown",
        records_table(shown),
        f"score: {' + '.join(study.settings.proxies)} against random networks of the space "
        "(0 is average); it is no accuracy",
        f"latency: predicted for {device.name}, {device.provenance}, {device.precision}, "
        "with its 90% interval",
    )


def records_table(records: Iterable[Record]) -> Table:
    """Trials with their scores and costs."""
    columns = ("trial", "score", "MMACs", "Mparams", "peak MB", "latency ms", "interval", "px")
    return table(
        columns,
        (
            (
                r.trial,
                f"{r.score:.3f}",
                f"{r.macs / 1e6:.1f}",
                f"{r.params / 1e6:.2f}",
                f"{r.peak_bytes / 1e6:.2f}",
                f"{r.latency_ms:.2f}",
                interval(*r.latency_interval_ms),
                r.resolution,
            )
            for r in records
        ),
        left=0,
    )


def layers_table(arch: Architecture, target: Target) -> Table:
    """One line a row of the architecture."""
    from nas.describe import layers

    columns = ("layer", "block", "settings", "output", "MMACs", "kparams", "peak MB", "ms")
    return table(
        columns,
        (
            (
                layer["name"],
                layer["kind"],
                ", ".join(f"{k}={v}" for k, v in layer["settings"].items()),
                "x".join(map(str, layer["shape"])),
                f"{layer['macs'] / 1e6:.2f}",
                f"{layer['params'] / 1e3:.1f}",
                f"{layer['peak_bytes'] / 1e6:.2f}",
                f"{layer['latency_ms']:.3f}",
            )
            for layer in layers(arch, target)
        ),
        left=3,
    )
