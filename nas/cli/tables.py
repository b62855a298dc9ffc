"""Tables that people look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table

from nas.cli.console import console
from nas.cli.terminal import clean
from nas.support.errors import NasError

if TYPE_CHECKING:
    from nas.architecture import Resolution
    from nas.imported import Network
    from nas.latency import Target
    from nas.study import Record, Study

MAX_ROWS = 10
TRAINED_ROWS = 3
NARROW = 100
FOLDED = 12


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: int = 1,
    fold: Sequence[str] = (),
    minor: Sequence[str] = (),
) -> Table:
    """A plain table; the first `left` columns are text, the others right-aligned numbers.

    Where there is little room, the columns `fold` take several lines, and a narrow terminal is
    spared the columns `minor`. No other cell is ever cut or broken.
    """
    narrow = console().width < NARROW
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    kept = [i for i, column in enumerate(columns) if not (narrow and column in minor)]
    cells = [[clean(row[i]) for i in kept] for row in rows]
    for n, i in enumerate(kept):
        column, folds = columns[i], columns[i] in fold
        head = column.replace(" ", "\n") if narrow else column
        words = [*head.split("\n"), *(row[n] for row in cells)]
        width = max(map(cell_len, words))
        made.add_column(
            head,
            justify="left" if i < left else "right",
            no_wrap=not folds,
            min_width=min(width, FOLDED) if folds else width,
            overflow="fold",
        )
    for row in cells:
        made.add_row(*row)
    return made


def show(*parts: Table | str) -> None:
    """Prints tables, with an empty line after each, and lines on standard output."""
    out = console()
    for i, part in enumerate(parts, 1):
        out.print(clean(part) if isinstance(part, str) else part)
        if isinstance(part, Table) and i < len(parts):
            out.print()


def interval(low: float, high: float) -> str:
    """The text of an interval in ms."""
    return f"{low:.2f}–{high:.2f}"


def known_interval(low: float, high: float, known: bool) -> str:
    """The interval with what it is, or that there is none to rely on."""
    return f"90% interval {interval(low, high)}" if known else "no error known"


def latency_source(target: Target) -> str:
    """A sentence on where predicted latencies come from, and whether their error is known."""
    facts = target.metadata
    error = "with its 90% interval" if target.interval_known else "no error known"
    return f"latency: predicted for {target.name}, {facts.provenance}, {facts.precision}, {error}"


def extrapolated(target: Target | None, intervals: Iterable[Sequence[float]]) -> list[str]:
    """One line where latencies (ms, low, high) rest on work that the target's networks hardly
    determine, so that their intervals are wide; no line where none does."""
    from nas.latency import Prediction

    all_of_them = [Prediction(*one) for one in intervals]
    wide = sum(target.extrapolates(one) for one in all_of_them) if target else 0
    if not wide or target is None:
        return []
    some = "this latency is" if len(all_of_them) == 1 else f"{wide} of these latencies are"
    return [
        f"extrapolated: {some} of networks unlike those that {target.name} was calibrated on, "
        "hence the wide interval"
    ]


def study_target(study: Study) -> tuple[Target | None, str]:
    """A study's target, as far as it can still be read, and where the stored latencies come from.

    That they come from a table that has changed since is an error only to whoever resumes.
    """
    from nas.latency import Target

    try:
        return study.target, latency_source(study.target)
    except NasError:
        source = f"latency: predicted for {study.settings.target} when the study began"
    try:
        changed = Target.load(study.settings.target)
    except NasError as error:
        return None, f"{source}; now it cannot be read: {error}"
    return changed, f"{source}; its table has changed since: the layers' ms are by the new one"


def print_best(study: Study) -> None:
    """The best architectures: those of the Pareto front with the highest scores."""
    from nas.study.rounds import trained

    front = study.pareto()
    shown = front[:MAX_ROWS]
    budgets = ", ".join(study.settings.budgets) or "no budget"
    target, source = study_target(study)
    objectives = study.settings.objectives
    score = "predicted accuracy" if study.predicts else "score"
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
        * study.predicts,
        score_source(study),
        *["trained: validation accuracy; ~ is inferred, as the training was stopped"] * bool(found),
        source,
        *extrapolated(target, ((r.latency_ms, *r.latency_interval_ms) for r in shown)),
    )


def score_source(study: Study) -> str:
    """A sentence on what a study's score says, and of what."""
    if not study.predicts:
        return (
            f"score: sum of log ranks of {', '.join(study.settings.proxies)} among random networks "
            "within the budgets (0 beats them all in all); it is no accuracy"
        )
    if study.predictions.adapted:
        return (
            f"predicted accuracy in percent on {study.settings.data}, learned from "
            f"{len(study.predictions.measured)} networks trained on it, with its 90% interval"
        )
    return (
        "predicted accuracy: what an ImageNet top-1 in percent would be by a published recipe, "
        "with its 90% interval; order and differences count, for other data the value does not"
    )


def records_table(
    records: Iterable[Record], *, known: bool = True, measured: Mapping[int, str] | None = None
) -> Table:
    """Trials with their scores and costs, and with their intervals where those are `known`; the
    `measured` accuracies of those that were trained."""
    measured = measured or {}
    records = list(records)
    predicted = any(r.accuracy_interval for r in records)
    columns = (
        *("trial", *(("predicted accuracy", "from–to") if predicted else ("score",))),
        *("MMACs", "Mparams", "peak MB", "latency ms", "interval", "px"),
        *(["trained"] if measured else []),
        *(["by hand"] if any(r.like for r in records) else []),
    )
    return table(
        columns,
        (
            (
                r.trial,
                *_score(r),
                f"{r.macs / 1e6:.1f}",
                f"{r.params / 1e6:.2f}",
                f"{r.peak_bytes / 1e6:.2f}",
                f"{r.latency_ms:.2f}",
                interval(*r.latency_interval_ms) if known else "–",
                r.resolution,
                *([measured.get(r.trial, "")] * bool(measured)),
                r.like or "",
            )[: len(columns)]
            for r in records
        ),
        left=0,
        minor=("by hand",),
    )


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
        show(f"\nFinalist {record.trial} could not be trained: {reason}")
    if not finalists:
        return
    columns = ("trial", "accuracy", "loss", "epochs", "MMACs", "Mparams", "latency ms", "px", "")
    rows = [
        (
            f.record.trial,
            f"{f.accuracy:.2%}",
            f"{f.loss:.3f}",
            f.epochs,
            f"{f.record.macs / 1e6:.1f}",
            f"{f.record.params / 1e6:.2f}",
            f"{f.record.latency_ms:.2f}",
            f.record.resolution,
            "pruned" if f.pruned else "",
        )
        for f in finalists
    ]
    show(
        "",
        f"Finalists, trained on {study.settings.data}, by accuracy on its validation images",
        table(columns, rows, left=0),
        "pruned: fell behind and was stopped, so its accuracy is that of fewer epochs",
        f"export the best of them:  nas export {quote(str(finalists[0].folder))}",
    )


def pixels(resolution: Resolution) -> str:
    """A resolution as it is shown: 224 px, 96x160 px."""
    return f"{resolution} px" if isinstance(resolution, int) else "{}x{} px".format(*resolution)


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
            f"{layer['macs'] / 1e6:.2f}",
            f"{layer['params'] / 1e3:.1f}",
            f"{layer['peak_bytes'] / 1e6:.2f}",
            f"{layer['latency_ms']:.3f}",
        )
        for layer in layers(network, target)
    ]
    rows.append(("constant", "", "", "", "", "", "", f"{target.constant_ms:.3f}"))
    return table(columns, rows, left=3, fold=("settings",))
