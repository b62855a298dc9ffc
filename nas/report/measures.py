"""The charts of a study: hypervolume, what mattered, and what was predicted against measured."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
from optuna.trial import FrozenTrial

from nas.charts import XY, Bars, Series
from nas.study.compare import curves
from nas.study.finalists import Finalist
from nas.study.hypervolume import hypervolumes
from nas.study.objectives import titles, values_losses
from nas.study.quiet import quiet
from nas.study.rounds import trained
from nas.study.study import Study
from nas.study.verified import Verified

FEWEST_TRIALS = 50  # of which the best tenth says something
MOST_TRIALS = 1500  # that importance looks at, evenly among all: it takes seconds
SHOWN = 12


def hypervolume_chart(study: Study) -> XY:
    """The hypervolume after each trial, and that of as many random networks as the study began
    with; what those reach is 1. Errors: `NasError` where there are none."""
    searched = curves([study])[0].hypervolume  # refuses a study without random networks
    losses = values_losses([t.values for t in study.reference_trials], study.directions)
    random = hypervolumes(losses, losses.max(axis=0))
    unit = random[-1] or 1.0
    trials = np.arange(1, len(searched) + 1)
    return XY(
        "hypervolume",
        "Hypervolume over trials",
        "trials",
        "hypervolume, random = 1",
        [
            Series("search", trials.tolist(), (searched / unit).tolist(), "step"),
            Series(
                "random networks",
                [*range(1, len(random) + 1), max(len(searched), len(random))],
                [*(random / unit).tolist(), 1.0],
                "step",
                dashed=True,
            ),
        ],
    )


def importance_charts(study: Study) -> list[Bars]:
    """What mattered by PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255, as Optuna has it): for
    each of the score and the first objective which options tell the best tenth of the networks from
    the others. None where there are too few trials."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    complete = [trial for trial in study.stored() if trial.complete]
    if len(complete) < FEWEST_TRIALS:
        return []
    some = complete[:: -(-len(complete) // MOST_TRIALS)]
    names = titles(study.settings.objectives, study.score_name)
    charts = []
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        copy = optuna.create_study(directions=study.directions)
        copy.add_trials([study.frozen(trial) for trial in some])
        for place, name in enumerate(names[:2]):
            sign = -1 if place == 0 else 1
            if len({(trial.values or [])[place] for trial in some}) < 2:
                continue
            found = get_param_importances(
                copy,
                evaluator=PedAnovaImportanceEvaluator(),
                target=partial(_value, place, sign),
            )
            best = sorted(found.items(), key=lambda item: -item[1])[:SHOWN]
            words = [f"{value:.1%}" for _, value in best]
            of = name.split(" (")[0]
            file = "importance" if place == 0 else f"importance-{study.settings.objectives[0]}"
            labels, values = [option for option, _ in best], [value for _, value in best]
            charts.append(
                Bars(file, f"What mattered for {of}", "importance", labels, values, words)
            )
    return charts


def _value(place: int, sign: int, trial: FrozenTrial) -> float:
    """One of a trial's values, of which less is better."""
    return sign * float(trial.values[place])


def latency_check(verified: Sequence[Verified]) -> XY:
    """Predicted latencies against measured ones, with the predictions' intervals."""
    tips = [
        f"trial {v.trial} on {v.target}: predicted {v.predicted_ms:.3g} ms "
        f"({v.low_ms:.3g}–{v.high_ms:.3g}), measured {v.measured_ms:.3g} ms"
        for v in verified
    ]
    networks = Series(
        "networks",
        [v.measured_ms for v in verified],
        [v.predicted_ms for v in verified],
        "points",
        low=[v.low_ms for v in verified],
        high=[v.high_ms for v in verified],
        tips=tips,
    )
    title = "Predicted against measured latency"
    return XY("latency-check", title, "measured ms", "predicted ms", [networks], diagonal=True)


def accuracy_check(study: Study, finalists: Sequence[Finalist]) -> XY | None:
    """Predicted accuracies against those of trainings to the end; None where there is none."""
    if not study.predicts:  # an inherited accuracy predicts none
        return None
    measured = measured_accuracies(study, finalists)
    records = [r for r in study.records(measured) if r.accuracy_interval] if measured else []
    if not records:
        return None
    tips = [
        f"trial {r.trial}: predicted {r.score:.1f}%, measured {measured[r.trial]:.2f}%"
        for r in records
    ]
    networks = Series(
        "networks",
        [measured[r.trial] for r in records],
        [r.score for r in records],
        "points",
        low=[r.accuracy_interval[0] for r in records if r.accuracy_interval],
        high=[r.accuracy_interval[1] for r in records if r.accuracy_interval],
        tips=tips,
        keys=[str(r.trial) for r in records],
    )
    return XY(
        "accuracy-check",
        "Predicted against measured accuracy",
        "measured, validation images (%)",
        "predicted (%)",
        [networks],
        diagonal=study.predictions.adapted,
    )


def measured_accuracies(study: Study, finalists: Sequence[Finalist]) -> dict[int, float]:
    """The accuracies in percent of what was trained to the end, by trial."""
    measured = {trial: each.accuracy for trial, each in trained(study).items() if each.complete}
    return measured | {f.record.trial: 100 * f.accuracy for f in finalists if not f.pruned}
