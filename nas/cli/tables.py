"""Tables that people look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table

from nas.cli.console import console
from nas.cli.terminal import clean, echo
from nas.measures import MEASURES, OF_TARGET
from nas.plugins import options_of
from nas.report.words import extrapolated, score_source, study_target
from nas.support.text import between, significant

if TYPE_CHECKING:
    from nas.imported import Network
    from nas.latency import Target
    from nas.study import Record, Study

MAX_ROWS = 10
TRAINED_ROWS = 3
FOLDED, GAP = 12, 2  # characters


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: int = 1,
    fold: Sequence[str] = (),
    minor: Sequence[str] = (),
) -> Table:
    """A plain table; the first `left` columns are text, the others right-aligned numbers.

    Where there is little room, heads take a line a word, then the columns `fold` several lines, and
    then the columns `minor` are left out in this order, until all fits. No other cell is ever cut
    or broken, so that names can be copied.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    kept, room = list(columns), console().width
    heads = {column: column for column in columns}

    def width(column: str, folded: bool) -> int:
        texts = (row[columns.index(column)] for row in cells)
        whole = max(map(cell_len, [*heads[column].split("\n"), *texts]))
        return min(whole, FOLDED) if folded and column in fold else whole

    def too_wide(folded: bool) -> bool:
        return sum(width(column, folded) + GAP for column in kept) - GAP > room

    if too_wide(False):
        heads = {column: column.replace(" ", "\n") for column in columns}
    left_out = [column for column in minor if column in columns][::-1]
    dropped = []
    while too_wide(True) and left_out:
        dropped.append(left_out.pop())
        kept.remove(dropped[-1])
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in kept:
        made.add_column(
            heads[column],
            justify="left" if columns.index(column) < left else "right",
            no_wrap=column not in fold,
            min_width=width(column, True),
            overflow="fold",
        )
    for row in cells:
        made.add_row(*(row[columns.index(column)] for column in kept))
    if dropped:
        made.caption = f"no room for: {', '.join(dropped)}"
        made.caption_justify, made.caption_style = "left", ""
    return made


def show(*parts: Table | str) -> None:
    """Prints tables, with an empty line after each, and lines on standard output."""
    out = console()
    for i, part in enumerate(parts, 1):
        if isinstance(part, str):
            out.print(clean(part), soft_wrap=False)
        else:
            out.print(part)
        if isinstance(part, Table) and i < len(parts):
            out.print()


def print_best(study: Study) -> None:
    """The best architectures: those of the Pareto front with the highest scores."""
    from nas.study.rounds import trained

    front = study.pareto()
    shown = front[:MAX_ROWS]
    budgets = ", ".join(study.settings.budgets) or "no budget"
    target, source = study_target(study)
    objectives = study.settings.objectives
    score = shown[0].score_name if shown else "score"
    axes = " and ".join([", ".join([score, *objectives[:-1]]), objectives[-1]])
    tally, best = study.tally(), study.record()
    found = trained(study)
    beside = [tally.by_hand] if tally.by_hand else []
    beside += sorted(
        study.records(found) if found else [],
        key=lambda record: -found[record.trial].accuracy,
    )[:TRAINED_ROWS]
    beside = [r for i, r in enumerate(beside) if r not in shown and r not in beside[:i]]
    show(
        f"Best of {tally.scored} scored networks ({budgets}); "
        f"Pareto front of {axes}: {len(front)}, {len(shown)} shown"
        + ("; below them the best hand-scaled and trained ones" if beside else ""),
        records_table(
            [*shown, *beside],
            known=target is None or target.interval_known,
            measured={
                trial: f"{'' if each.complete else '~'}{each.accuracy:.2f}%"
                for trial, each in found.items()
            },
        ),
        *[
            f"best: trial {best.trial}, the one of least {objectives[0]} among those that are tied "
            "with the most accurate"
        ]
        * (best.accuracy_interval is not None),
        score_source(study),
        *["trained: validation accuracy; ~ is inferred, as the training was stopped"] * bool(found),
        source,
        *extrapolated(target, ((r.latency_ms, *r.latency_interval_ms) for r in shown)),
    )


def records_table(
    records: Iterable[Record], *, known: bool = True, measured: Mapping[int, str] | None = None
) -> Table:
    """Trials with their scores and costs, and with their intervals where those are `known`; the
    `measured` accuracies of those that were trained."""
    measured = measured or {}
    records = list(records)
    name = next((r.score_name for r in records), "score")
    memory = [measure for measure in OF_TARGET if any(measure in r.memory for r in records)]
    of_target = [f"{MEASURES[measure].title} KiB" for measure in memory]
    columns = (
        *("trial", *((name,) if name == "score" else (name, "from–to"))),
        *("MMACs", "Mparams", "peak MB", "latency ms", "interval"),
        *of_target,
        "px",
        *(["trained"] if measured else []),
        *(["by hand"] if any(r.like for r in records) else []),
    )
    return table(
        columns,
        (
            (
                r.trial,
                *_score(r),
                significant(r.macs / 1e6),
                significant(r.params / 1e6),
                significant(r.peak_bytes / 1e6),
                significant(r.latency_ms),
                between(*r.latency_interval_ms) if known else "–",
                *(_kib(r.memory.get(measure)) for measure in memory),
                r.resolution,
                *([measured.get(r.trial, "")] * bool(measured)),
                r.like or "",
            )[: len(columns)]
            for r in records
        ),
        left=0,
        minor=("by hand", "peak MB", "px", "Mparams", "interval", "trained", "MMACs", *of_target),
    )


def _kib(value: float | None) -> str:
    return "" if value is None else f"{value / 2**10:.0f}"


def _score(record: Record) -> tuple[str, ...]:
    if record.accuracy_interval is None:
        return (f"{record.score:.3f}",)
    low, high = record.accuracy_interval
    digits = 1 if record.score >= 10 else 2
    return f"{record.score:.{digits}f}%", f"{low:.{digits}f}–{high:.{digits}f}%"


def print_finalists(study: Study) -> None:
    """The trained finalists by accuracy, apart from every score; nothing where there is none."""
    from nas.study.finalists import failed_finalists, read_finalists

    finalists = read_finalists(study)
    for record, reason in failed_finalists(study):
        show("", f"Finalist {record.trial} could not be trained: {reason}")
    if not finalists:
        return
    columns = ("trial", "accuracy", "loss", "epochs", "MMACs", "Mparams", "latency ms", "px", "")
    rows = [
        (
            f.record.trial,
            f"{f.accuracy:.2%}",
            f"{f.loss:.3f}",
            f.epochs,
            significant(f.record.macs / 1e6),
            significant(f.record.params / 1e6),
            significant(f.record.latency_ms),
            f.record.resolution,
            "stopped" if f.pruned else "",
        )
        for f in finalists
    ]
    show(
        "",
        f"Finalists, trained on {study.settings.data}, by accuracy on its validation images",
        table(columns, rows, left=0, minor=("loss", "px", "Mparams", "epochs", "MMACs")),
    )
    if any(f.pruned for f in finalists):
        show("stopped: it had fallen behind, so its accuracy is that of fewer epochs")
    echo(
        f"export the best of them:  nas export {quote(str(finalists[0].folder))}"
        + options_of(study.settings.plugins)
    )


def print_output(study: Study) -> None:
    """Writes the best child of a pruning study where it was asked for, and says what it reached."""
    from nas.study.pruned import write_best
    from nas.training import Trained

    folder = write_best(study)
    if folder is None:
        return
    trained = Trained.load(folder)
    test = f", {trained.test.accuracy:.2%} on test images" if trained.test else ""
    show(
        "",
        f"{folder}: the best child, {trained.accuracy:.2%} on validation images{test}",
        f"export it:  nas export {quote(str(folder))}" + options_of(study.settings.plugins),
    )


def layers_table(network: Network, target: Target) -> Table:
    """One line a layer of the network, and one for the latency that belongs to none."""
    from nas.describe import layers

    columns = ("layer", "block", "settings", "output", "MMACs", "kparams", "peak MB", "ms")
    rows = [
        (
            layer["name"],
            layer["kind"],
            ", ".join(f"{k}={v}" for k, v in layer["settings"].items()),
            "x".join(map(str, layer["shape"])),
            significant(layer["macs"] / 1e6),
            significant(layer["params"] / 1e3),
            significant(layer["peak_bytes"] / 1e6),
            significant(layer["latency_ms"]),
        )
        for layer in layers(network, target)
    ]
    rows.append(("constant", "", "", "", "", "", "", significant(target.constant_ms)))
    minor = ("peak MB", "kparams", "MMACs", "settings")
    return table(columns, rows, left=3, fold=("settings",), minor=minor)
