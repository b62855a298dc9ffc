"""`nas score`."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nas.cli.options import (
    JsonOption,
    NetworkArgument,
    PluginOption,
    ResolutionOption,
    StorageOption,
    as_resolution,
    listed,
)
from nas.cli.terminal import echo_json

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.proxies import Scores
    from nas.study import Study


class Scored(NamedTuple):
    """A network's scores; `combined` only with a study's reference sample."""

    name: str
    scores: Scores
    combined: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The scores as JSON types: NaN is null, and has a reason."""
        facts: dict[str, Any] = {
            "network": self.name,
            "scores": {k: _number(v) for k, v in self.scores.items()},
            "reasons": self.scores.reasons,
        }
        return facts if self.combined is None else facts | {"score": _number(self.combined)}


def score(
    arch: NetworkArgument,
    proxies: Annotated[
        list[str] | None,
        typer.Option(
            help="Accuracy proxies a,b,c, or all; see `nas proxies`. Default: the study's if it "
            "has any, otherwise those that `nas proxies` marks.",
            show_default=False,
        ),
    ] = None,
    front: Annotated[
        bool, typer.Option("--front", help="A study's whole Pareto front, not its best only.")
    ] = False,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**32 - 1,
            help="Of weights and images. Default: the study's, otherwise 0.",
            show_default=False,
        ),
    ] = None,
    resolution: ResolutionOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a network, or a study's best, by accuracy proxies. A score is no accuracy."""
    from nas import plugins
    from nas.networks import made_here
    from nas.proxies import DEFAULT, PROXIES
    from nas.proxies.registry import checked
    from nas.study.networks import find_network, find_study, split_trial
    from nas.support.errors import NasError

    plugins.load_all(plugin)
    names = None if proxies is None else listed(proxies)
    names = list(PROXIES) if names == ["all"] else names
    checked(names or ())
    study, (_, trial) = find_study(arch, storage), split_trial(arch, storage)
    if study and resolution is None:
        study.load_plugins()
        rows = _of_study(study, names, seed, front, trial)
    elif front and not study:
        raise NasError(f"--front: '{arch}' is no study")
    else:
        network, _ = find_network(arch, as_resolution(resolution), storage)
        rows = [_of(made_here(network, "nas score"), names or DEFAULT, seed or 0)]
    if as_json:
        echo_json([row.to_dict() for row in rows])
        return
    _print(rows)


def _of(arch: Architecture, names: list[str] | tuple[str, ...], seed: int) -> Scored:
    from nas.proxies import scores

    return Scored(arch.name or arch.hash[:12], scores(arch, names, seed))


def _of_study(
    study: Study, names: list[str] | None, seed: int | None, front: bool, trial: int | None
) -> list[Scored]:
    """The combined score is given where all of its proxies are, with the seed of its reference."""
    from nas.proxies import DEFAULT

    combiner = study.combiner()
    own = seed in (None, study.settings.seed)
    rows = []
    for record in study.pareto() if front else [study.record(trial)]:
        arch = study.network(record)
        chosen = names or study.settings.proxies or DEFAULT
        row = _of(arch, chosen, study.settings.seed if own else seed or 0)
        if combiner and own and set(study.settings.proxies) <= row.scores.keys():
            row = row._replace(combined=combiner.score(row.scores))
        rows.append(row)
    return rows


def _print(rows: list[Scored]) -> None:
    """Prints one network with a line a proxy and its known failure, several with a line each."""
    from nas.cli.tables import show, table
    from nas.proxies import PROXIES

    first, names = rows[0], list(rows[0].scores)
    ranked = first.combined is not None
    reasons = [
        f"{row.name}: proxy '{n}' {reason}"
        for row in rows
        for n, reason in row.scores.reasons.items()
    ]
    if len(rows) == 1:
        lines = [(n, PROXIES[n].failure, _text(first.scores[n])) for n in names]
        columns = ("proxy", "known failure", first.name)
        made = table(columns, lines, left=2, fold=columns[1:2], minor=columns[1:2])
        reasons += [f"combined, relative to the study's sample: {_text(first.combined)}"] * ranked
    else:
        heads = ["network", *["combined"] * ranked, *names]
        made = table(heads, [
            (row.name, *[_text(row.combined)] * ranked, *(_text(row.scores[n]) for n in names))
            for row in rows
        ])  # fmt: skip
    show(made, *reasons, "Higher is better for all; none is an accuracy.")


def _text(value: float | None) -> str:
    return "–" if value is None or isnan(value) else f"{value:.5g}"


def _number(value: float) -> float | None:
    return None if isnan(value) else value
