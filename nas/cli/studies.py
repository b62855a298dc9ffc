"""`nas show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import JsonOption, PluginOption, StorageOption, StudyArgument
from nas.cli.terminal import echo_json, echo_lines

if TYPE_CHECKING:
    from nas.study import Study


def show(
    study: StudyArgument,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
    as_config: Annotated[
        bool, typer.Option("--config", help="Print its settings for `nas search --config`.")
    ] = False,
) -> None:
    """Show a study: its Pareto front, and its best network."""
    from nas import plugins
    from nas.cli.gains import gains_parts, predicted_accuracy
    from nas.cli.tables import layers_table, print_best, print_finalists
    from nas.cli.tables import show as show_parts
    from nas.describe import layers
    from nas.report.words import study_target
    from nas.study.config import config_text
    from nas.study.networks import load_study

    plugins.load_all(plugin)
    loaded = load_study(study, storage)
    if as_json:
        echo_json(study_facts(loaded))
        return
    if as_config:
        echo_lines(config_text(loaded))
        return
    best = loaded.record()
    print_best(loaded)
    print_finalists(loaded)
    target, _ = study_target(loaded)
    if target:
        accuracy = predicted_accuracy(best.arch, loaded) if loaded.predicts else None
        if accuracy:
            given = gains_parts(accuracy, layers(best.arch, target))
            show_parts("", f"Trial {best.trial}, the best, part by part", *given)
        by_layer = layers_table(best.arch, target)
        show_parts("", f"Trial {best.trial}, the best, layer by layer", by_layer)


def study_facts(study: Study) -> dict[str, Any]:
    """A study as JSON types."""
    from nas.study.finalists import read_finalists
    from nas.study.rounds import trained as learned

    tally, finalists = study.tally(), read_finalists(study)
    trained = {"finalists": [f.to_dict() for f in finalists]} if finalists else {}
    return trained | {
        "study": study.name,
        "space": study.space.name,
        "target": study.settings.target,
        "budgets": list(study.settings.budgets),
        "sampler": study.settings.sampler,
        "objectives": list(study.settings.objectives),
        "trials": tally.trials,
        "feasible": tally.scored,
        "scored_by": ", ".join(study.settings.proxies) or study.score_name,
        "trained": [each._asdict() for each in learned(study).values()],
        "best": tally.best.to_dict() if tally.best else None,
        "pareto": [record.to_dict() for record in study.pareto()],
        "hypervolume": _hypervolume(study) if tally.scored else [],
    }


def _hypervolume(study: Study) -> list[float] | None:
    """The hypervolume after each trial; None where the target's table has changed since."""
    from nas.study.compare import curves
    from nas.support.errors import NasError

    try:
        return [float(value) for value in curves([study])[0].hypervolume]
    except NasError:
        return None
