"""The report of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from shlex import quote
from typing import TypeVar

from nas.charts import Chart
from nas.latency import Target
from nas.measures import format_measure
from nas.report import measures
from nas.report.network import Drawn, latency_chart, network_html
from nas.report.page import commands, facts, folded, note, page, plot, plots, scroll, section
from nas.report.training import curves_charts, read_histories
from nas.report.training_page import outcome_parts
from nas.report.words import (
    extrapolated,
    known_interval,
    score_source,
    study_target,
)
from nas.space import SearchSpace
from nas.study.config import config_text
from nas.study.finalists import Finalist, failed_finalists, read_finalists, study_data
from nas.study.learning import learning_folder
from nas.study.record import Record
from nas.study.rounds import trained
from nas.study.study import Study
from nas.study.verified import read_verified
from nas.support.errors import NasError
from nas.support.html import Child, Html, table, tag
from nas.support.text import between, masked, significant
from nas.training.trained import Trained

MOST_DRAWN = 40  # networks that can be looked at row by row
MOST_ROWS = 12  # of the front that are shown at once

T = TypeVar("T")


def study_report(
    study: Study, moved: str | None = None, before: Sequence[Child] = ()
) -> tuple[str, list[Chart]]:
    """The page of a study, and its charts. `moved` is where its data are now, if that is elsewhere;
    `before` are sections of whoever has more to say of it.

    What cannot be had (a target's table that has changed, data that are gone) is left out, and the
    page says so. Errors: `NasError` where the study has no scored network, or is damaged.
    """
    return _Writer(study, moved).write(before)


class _Writer:
    """What the sections of a study's report have in common."""

    def __init__(self, study: Study, moved: str | None) -> None:
        self.study, self.moved = study, moved
        self.best, self.tally = study.record(), study.tally()
        self.front = study.pareto()
        self.target, self.source = study_target(study)
        self.known = self.target is None or self.target.interval_known
        self.finalists = read_finalists(study)
        self.measured = measures.measured_accuracies(study, self.finalists)
        self.charts: list[Chart] = []

    def write(self, before: Sequence[Child]) -> tuple[str, list[Chart]]:
        sections = [
            *before,
            self._pareto(),
            self._network(),
            self._progress(),
            self._mattered(),
            self._checks(),
            self._trainings(),
            self._reproduce(),
        ]
        return page(f"Search {self.study.name}", self._lead(), sections), self.charts

    def _kept(self, chart: Chart) -> Chart:
        self.charts.append(chart)
        return chart

    def _lead(self) -> Child:
        study, best, s = self.study, self.best, self.study.settings
        budgets = " and ".join(s.budgets) or "no budget"
        goal = study.score_name + " of training-free proxies" * bool(s.proxies)
        asked = (
            f"Asked: the networks of space {study.space.name} with the highest {goal} and the "
            f"least {', '.join(s.objectives)} on {s.target}, within {budgets}. "
            f"Found: {len(self.front)} that no other of {self.tally.scored} scored ones beats."
        )
        if best.accuracy_interval:
            low, high = best.accuracy_interval
            score = (
                best.score_name,
                f"{best.score:.1f}%",
                f"90% interval {low:.1f}–{high:.1f}%",
            )
        else:
            score = ("score", f"{best.score:.3f}", "ranks networks; it is no accuracy")
        cells = [
            score,
            (
                f"latency on {s.target}",
                f"{significant(best.latency_ms)} ms",
                "predicted, " + known_interval(*best.latency_interval_ms, self.known),
            ),
            ("multiply-adds", format_measure("macs", best.macs), ""),
            ("parameters", format_measure("params", best.params), ""),
            (
                "peak activations",
                format_measure("peak_bytes", best.peak_bytes),
                "in the target's precision",
            ),
            ("input", f"{best.resolution} px", ""),
        ]
        done = [f for f in self.finalists if not f.pruned]
        if done:
            said = f"trial {done[0].record.trial}, {done[0].epochs} epochs, validation images"
            cells.insert(1, ("measured accuracy", f"{done[0].accuracy:.2%}", said))
        rule = (
            f", the one of least {s.objectives[0]} among those tied with the most accurate"
            if study.predicts
            else ""
        )
        return [
            tag("p", asked),
            tag("p", f"The best is trial {best.trial}{rule}:"),
            facts(cells),
            note(score_source(study)),
            note(self._provenance()),
            [note(line) for line in extrapolated(self.target, [self._latency(best)])],
        ]

    def _latency(self, record: Record) -> tuple[float, float, float]:
        return (record.latency_ms, *record.latency_interval_ms)

    def _provenance(self) -> str:
        if self.target is None:
            return self.source
        m = self.target.metadata
        error = (
            f"; mean error {m.error.mape:.1%} on networks left out of the fit" if m.error else ""
        )
        made = (
            "timed kernel by kernel"
            if m.provenance == "measured"
            else "fitted to published latencies"
        )
        return f"{self.source}; {m.device}, {m.runtime}, {made}, {m.date}{error}"

    def _pareto(self) -> Html:
        study = self.study
        charts = self._or_note(
            lambda: [study.pareto_chart(name) for name in study.settings.objectives]
        )
        if isinstance(charts, Html):
            return section("Pareto front", charts, self._table(self.front))
        drawings = [[tag("h3", self._kept(chart).title), plot(chart)] for chart in charts]
        shown, rest = self.front[:MOST_ROWS], self.front[MOST_ROWS:]
        return section(
            "Pareto front",
            note("choose a point or a trial to see its network below"),
            drawings,
            self._table(shown),
            folded(f"{len(rest)} more", self._table(rest)) if rest else None,
        )

    def _table(self, records: Sequence[Record]) -> Html:
        names = ["trial", self.study.score_name, "latency ms", "MMACs", "Mparams", "peak MB", "px"]
        heads: list[Child] = [*names[:5], *(tag("span", n, class_="minor") for n in names[5:])]
        if self.measured:
            heads.insert(2, "measured")
        rows = []
        for r in records:
            bounds = r.accuracy_interval and " ({:.1f}–{:.1f})".format(*r.accuracy_interval)
            latency = f" ({between(*r.latency_interval_ms)})" if self.known else None
            row: list[Child] = [
                self._button(r.trial),
                [f"{r.score:.1f}%", tag("span", bounds)] if bounds else f"{r.score:.3f}",
                [significant(r.latency_ms), tag("span", latency)],
                significant(r.macs / 1e6),
                significant(r.params / 1e6),
                tag("span", significant(r.peak_bytes / 1e6), class_="minor"),
                tag("span", str(r.resolution), class_="minor"),
            ]
            if self.measured:
                known = self.measured.get(r.trial)
                row.insert(2, "" if known is None else f"{known:.2f}%")
            rows.append(row)
        return scroll(table(heads, rows, caption="Networks of the Pareto front"), "Pareto front")

    def _button(self, trial: int) -> Html:
        """What shows a trial's network when it is pressed."""
        return tag("button", str(trial), type="button", data_key=str(trial))

    def _network(self) -> Html:
        target = self.target
        if target is None:
            return section("The best network", note(self.source))
        step = -(-len(self.front) // MOST_DRAWN)
        some = {r.trial: r for r in (self.best, *self.front[::step])}
        templates = [
            tag("template", self._drawn(record, target), id=f"net-{trial}")
            for trial, record in some.items()
        ]
        self._kept(latency_chart(Drawn.of(self.best.arch, target)))
        return section(
            "The network, row by row",
            tag("div", self._drawn(self.best, target), id="chosen", aria_live="polite"),
            templates,
        )

    def _drawn(self, record: Record, target: Target) -> Html:
        space = self.study.space
        drawn = Drawn.of(record.arch, target, space if isinstance(space, SearchSpace) else None)
        best = ", the best" if record.trial == self.best.trial else ""
        return tag(
            "div",
            tag("h3", f"Trial {record.trial}{best}"),
            tag(
                "p",
                f"{self._score(record)}; {significant(record.latency_ms)} ms, "
                f"{format_measure('macs', record.macs)}, {record.resolution} px."
                + (f" {record.like[:1].upper()}{record.like[1:]}." if record.like else ""),
            ),
            note(
                "bars: output channels × pixels, by the root of the channels; and the predicted "
                "latency with its share of the whole"
            ),
            network_html(drawn),
        )

    def _score(self, record: Record) -> str:
        if record.accuracy_interval is None:
            return f"Score {record.score:.3f}, no accuracy"
        low, high = record.accuracy_interval
        return f"Predicted accuracy {record.score:.1f}% ({low:.1f}–{high:.1f}%)"

    def _progress(self) -> Html:
        chart = self._or_note(lambda: measures.hypervolume_chart(self.study))
        if isinstance(chart, Html):
            return section("How far the search came", chart)
        failed = f"; {self.tally.failed} trials failed" if self.tally.failed else ""
        return section(
            "How far the search came",
            plot(self._kept(chart)),
            note(
                "hypervolume: how much of score and objectives the networks so far dominate, from "
                f"the worst of the random networks on{failed}"
            ),
        )

    def _mattered(self) -> Html | None:
        charts = measures.importance_charts(self.study)
        if not charts:
            return None
        for chart in charts:
            self._kept(chart)
        return section(
            "What mattered",
            plots(charts),
            note(
                "options of the space by PED-ANOVA: how differently they are chosen in the best "
                "tenth of the networks and in all that were scored, as shares of 100%. A search "
                "does not choose at random, so this says what told good from less good ones here"
            ),
        )

    def _checks(self) -> Html | None:
        charts: list[Chart] = []
        notes = []
        if verified := read_verified(self.study):
            charts.append(measures.latency_check(verified))
            inside = sum(v.low_ms <= v.measured_ms <= v.high_ms for v in verified)
            error = sum(abs(v.predicted_ms / v.measured_ms - 1) for v in verified) / len(verified)
            notes.append(
                f"nas verify: {inside} of {len(verified)} measured latencies are inside their "
                f"interval, mean error {error:.1%}"
            )
        if chart := measures.accuracy_check(self.study, self.finalists):
            charts.append(chart)
            notes.append(
                "the predicted accuracies are learned from most of these trainings, so this is no "
                "test of them"
                if self.study.predictions.adapted
                else "accuracies are predicted on the scale of a benchmark: their order can be "
                "compared with what was measured, their values cannot"
            )
        self.charts += charts
        return (
            section("Predicted and measured", plots(charts), map(note, notes)) if charts else None
        )

    def _trainings(self) -> Html | None:
        folders = {f"trial {f.record.trial}": f.folder for f in self.finalists}
        if not folders:
            learned = sorted(trained(self.study).values(), key=lambda each: -each.accuracy)
            root = learning_folder(self.study)
            folders = {f"trial {e.trial}": root / f"trial-{e.trial}" for e in learned}
        if not (histories := read_histories(folders)):
            return None
        charts = curves_charts(histories)
        self.charts += charts
        parts: list[Child] = [plots(charts), self._finalists()]
        done = [f for f in self.finalists if not f.pruned]
        if done:
            found = self._or_note(
                lambda: outcome_parts(
                    Trained.load(done[0].folder), study_data(self.study, self.moved)
                )
            )
            if isinstance(found, Html):
                parts.append(found)
            else:
                made, chart = found
                self._kept(chart)
                parts += [tag("p", f"Of trial {done[0].record.trial}, the best finalist:"), made]
        return section("Trainings", parts)

    def _finalists(self) -> Html | None:
        def row(f: Finalist) -> list[Child]:
            end = "fell behind and was stopped" if f.pruned else ""
            return [
                self._button(f.record.trial),
                f"{f.accuracy:.2%}",
                f"{f.loss:.3f}",
                str(f.epochs),
                end,
            ]

        rows = [row(f) for f in self.finalists]
        failed = [
            note(f"trial {r.trial} could not be trained: {why}")
            for r, why in failed_finalists(self.study)
        ]
        if not rows:
            return tag("div", failed) if failed else None
        columns = ("trial", "accuracy", "loss", "epochs", "")
        caption = f"Finalists, by accuracy on the validation images of {self.study.settings.data}"
        return tag("div", scroll(table(columns, rows, caption=caption), caption), failed)

    def _reproduce(self) -> Html:
        s, name = self.study.settings, quote(self.study.name)
        target = f"target {s.target}, table {s.target_checksum[:16]}"
        data = f"; data {s.data}, {s.data_checksum[:16]}" if s.data and s.data_checksum else ""
        return section(
            "How to reproduce it",
            tag(
                "p",
                f"Seed {s.seed}, hw-nas {s.version}; {target}{data}. Sampler {s.sampler}, "
                f"{self.tally.trials} of {s.trials} trials.",
            ),
            commands(
                [
                    f"nas search --config {name}.yaml   # begins it anew, from the settings below",
                    f"nas resume {name}                 # goes on with it",
                    f"nas export {name} --output best.onnx",
                ]
            ),
            folded(
                f"{self.study.name}.yaml", commands(masked(config_text(self.study)).splitlines())
            ),
        )

    def _or_note(self, make: Callable[[], T]) -> T | Html:
        """What is made, or why it cannot be."""
        try:
            return make()
        except NasError as error:
            return note(f"not shown: {error}")
