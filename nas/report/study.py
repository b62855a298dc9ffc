"""The report of a study."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from nas.charts import Chart
from nas.measures import MEASURES, format_measure
from nas.report import measures
from nas.report.front import network, pareto
from nas.report.page import commands, facts, folded, note, page, plot, plots, scroll, section
from nas.report.reported import Reported, button
from nas.report.training import curves_charts, read_histories
from nas.report.training_page import outcome_parts
from nas.report.words import anew, extrapolated, known_interval, named, score_source
from nas.study.config import config_text
from nas.study.finalists import Finalist, failed_finalists, study_data
from nas.study.learning import learning_folder
from nas.study.rounds import trained
from nas.study.study import Study
from nas.study.verified import read_verified
from nas.support.html import Child, Html, table, tag
from nas.support.text import masked, significant
from nas.training.trained import Trained


def study_report(
    study: Study,
    moved: str | None = None,
    before: Sequence[Child] = (),
    title: str = "",
    lead: Child = None,
    command: str | None = None,
) -> tuple[str, list[Chart]]:
    """The page of a study, and its charts. `moved` is where its data are now, if that is elsewhere.

    Whoever has more to say than the search, of a network that came of it, has a `title` for the
    page, a `lead`, sections `before` the search's own and the `command` that does all of it.

    What cannot be had (a target's table that has changed, data that are gone) is left out, and the
    page says so. Errors: `NasError` where the study has no scored network, or is damaged.
    """
    of = Reported(study, moved)
    sections = [
        *before,
        section("The search", _lead(of)) if lead else None,
        pareto(of),
        network(of),
        _progress(of),
        _mattered(of),
        _checks(of),
        _trainings(of),
        _reproduce(of, command),
    ]
    return page(title or f"Search {study.name}", lead or _lead(of), sections), of.charts


def _lead(of: Reported) -> Child:
    study, best, s = of.study, of.best, of.study.settings
    budgets = " and ".join(s.budgets) or "no budget"
    goal = study.score_name + " of training-free proxies" * bool(s.proxies)
    asked = (
        f"Asked: the networks of space {study.space.name} with the highest {goal} and the "
        f"least {', '.join(s.objectives)} on {s.target}, within {budgets}. "
        f"Found: {len(of.front)} that no other of {of.tally.scored} scored ones beats."
    )
    if best.accuracy_interval:
        low, high = best.accuracy_interval
        score = (best.score_name, f"{best.score:.1f}%", f"90% interval {low:.1f}–{high:.1f}%")
    else:
        score = ("score", f"{best.score:.3f}", "ranks networks; it is no accuracy")
    cells = [
        score,
        (
            f"latency on {s.target}",
            f"{significant(best.latency_ms)} ms",
            "predicted, " + known_interval(*best.latency_interval_ms, of.known),
        ),
        ("multiply-adds", format_measure("macs", best.macs), ""),
        ("parameters", format_measure("params", best.params), ""),
        (
            "peak activations",
            format_measure("peak_bytes", best.peak_bytes),
            "in the target's precision",
        ),
        *(
            (MEASURES[measure].title, format_measure(measure, value), "of the NPU, about")
            for measure, value in best.memory.items()
        ),
        ("input", f"{best.resolution} px", ""),
    ]
    latency = (best.latency_ms, *best.latency_interval_ms)
    if of.done:
        first = of.done[0]
        said = f"trial {first.record.trial}, {first.epochs} epochs, validation images"
        cells.insert(1, ("measured accuracy", f"{first.accuracy:.2%}", said))
    rule = (
        f", the one of least {s.objectives[0]} among those tied with the most accurate"
        if study.predicts
        else ""
    )
    return [
        tag("p", asked),
        tag("p", f"The best of the search is trial {best.trial}{rule}:"),
        facts(cells),
        note(score_source(study)),
        note(_provenance(of)),
        [note(line) for line in extrapolated(of.target, [latency])],
    ]


def _provenance(of: Reported) -> str:
    if of.target is None:
        return of.source
    m = of.target.metadata
    error = f"; mean error {m.error.mape:.1%} on networks left out of the fit" if m.error else ""
    made = {
        "measured": f"timed networks scale {m.scales}" if m.scales else "timed kernel by kernel",
        "estimated": "estimated by its compiler, nothing was timed",
        "calibrated": f"fitted to latencies: {'; '.join(m.sources)}",
    }[m.provenance]
    return f"{of.source}; {m.device}, {m.runtime}, {made}, {m.date}{error}"


def _progress(of: Reported) -> Html:
    chart = of.or_note(lambda: measures.hypervolume_chart(of.study))
    if isinstance(chart, Html):
        return section("How far the search came", chart)
    failed = f"; {told}" if (told := of.tally.failures.told("trials")) else ""
    return section(
        "How far the search came",
        plot(of.kept(chart)),
        note(
            "hypervolume: how much of score and objectives the networks so far dominate, from "
            f"the worst of the random networks on{failed}"
        ),
    )


def _mattered(of: Reported) -> Html | None:
    charts = measures.importance_charts(of.study)
    if not charts:
        return None
    of.charts += charts
    return section(
        "What mattered",
        plots(charts),
        note(
            "options of the space by PED-ANOVA: how differently they are chosen in the best "
            "tenth of the networks and in all that were scored, as shares of 100%. A search "
            "does not choose at random, so this says what told good from less good ones here"
        ),
    )


def _checks(of: Reported) -> Html | None:
    charts: list[Chart] = []
    notes = []
    if verified := read_verified(of.study):
        charts.append(measures.latency_check(verified))
        inside = sum(v.low_ms <= v.measured_ms <= v.high_ms for v in verified)
        error = fmean(abs(v.predicted_ms / v.measured_ms - 1) for v in verified)
        left = fmean(abs((1 + v.drift) * v.predicted_ms / v.measured_ms - 1) for v in verified)
        notes.append(
            f"nas verify: {inside} of {len(verified)} measured latencies are inside their "
            f"interval, mean error {error:.1%}; {left:.1%} without what reference networks timed "
            "beside them are off"
        )
    if chart := measures.accuracy_check(of.study, of.finalists):
        charts.append(chart)
        notes.append(
            "the predicted accuracies are learned from most of these trainings, so this is no "
            "test of them"
            if of.study.predictions.adapted
            else "accuracies are predicted on the scale of a benchmark: their order can be "
            "compared with what was measured, their values cannot"
        )
    of.charts += charts
    return section("Predicted and measured", plots(charts), map(note, notes)) if charts else None


def _trainings(of: Reported) -> Html | None:
    folders = {f"trial {f.record.trial}": f.folder for f in of.finalists}
    if not folders:
        learned = sorted(trained(of.study).values(), key=lambda each: -each.accuracy)
        root = learning_folder(of.study)
        folders = {f"trial {e.trial}": root / f"trial-{e.trial}" for e in learned}
    if not (histories := read_histories(folders)):
        return None
    charts = curves_charts(histories)
    of.charts += charts
    parts: list[Child] = [plots(charts), _finalists(of)]
    if of.done:
        best = of.done[0]
        found = of.or_note(
            lambda: outcome_parts(Trained.load(best.folder), study_data(of.study, of.moved))
        )
        if isinstance(found, Html):
            parts.append(found)
        else:
            made, chart = found
            of.kept(chart)
            parts += [tag("p", f"Of trial {best.record.trial}, the best finalist:"), made]
    return section("Trainings", parts)


def _finalists(of: Reported) -> Html | None:
    def row(f: Finalist) -> list[Child]:
        end = "fell behind and was stopped" if f.pruned else ""
        return [button(f.record.trial), f"{f.accuracy:.2%}", f"{f.loss:.3f}", str(f.epochs), end]

    rows = [row(f) for f in of.finalists]
    failed = [
        note(f"trial {r.trial} could not be trained: {why}")
        for r, why in failed_finalists(of.study)
    ]
    if not rows:
        return tag("div", failed) if failed else None
    columns = ("trial", "accuracy", "loss", "epochs", "")
    caption = f"Finalists, by accuracy on the validation images of {of.study.settings.data}"
    return tag("div", scroll(table(columns, rows, caption=caption), caption), failed)


def _reproduce(of: Reported, command: str | None) -> Html:
    s, name, where = of.study.settings, of.study.name, named(of.study)
    target = f"target {s.target}, table {s.target_checksum[:16]}"
    data = f"; data {s.data}, {s.data_checksum[:16]}" if s.data and s.data_checksum else ""
    lines = [
        f"nas resume {where}   # goes on with it",
        f"nas export {where} --output best.onnx",
    ]
    config = None
    if s.pruning is None:
        file = f"{name}.yaml"
        lines.insert(0, f"{anew(of.study, file)}   # begins the search anew, from what is below")
        config = folded(file, commands(masked(config_text(of.study)).splitlines()))
    if command is not None:
        lines.insert(0, f"{command}   # all of it, anew")
    return section(
        "How to reproduce it",
        tag(
            "p",
            f"Seed {s.seed}, hw-nas {s.version}; {target}{data}. Sampler {s.sampler}, "
            f"{of.tally.trials} of {s.trials} trials.",
        ),
        commands(lines),
        config,
    )
