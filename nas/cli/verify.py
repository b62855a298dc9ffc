"""`nas verify`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.options import (
    NETWORK_HELP,
    JsonOption,
    PluginOption,
    PythonOption,
    SshOption,
    StorageOption,
    as_remote,
)
from nas.cli.terminal import echo, echo_json, say
from nas.defaults import DEFAULT_TARGET, VERIFY_MINUTES

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.latency import Target
    from nas.latency.measuring.remote import Remote
    from nas.latency.measuring.verify import Comparison, Timed


def verify(
    study: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A study, whose Pareto front is timed, or one network: " + NETWORK_HELP,
        ),
    ],
    target: Annotated[
        str | None,
        typer.Option(
            help="The target that is compared with. Default: the study's, otherwise cpu.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(help="Only so many, the best. Default: all.", show_default=False),
    ] = None,
    minutes: Annotated[
        float, typer.Option(help="No network is begun later; at least one batch is timed.")
    ] = VERIFY_MINUTES,
    ssh: Annotated[
        str | None,
        typer.Option(
            metavar="USER@HOST",
            help="Time them on that machine, with onnxruntime.",
            show_default=False,
        ),
    ] = None,
    ssh_option: SshOption = None,
    python: PythonOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time a study's Pareto front, or a network; compare with what was predicted."""
    from nas import plugins
    from nas.latency import Target
    from nas.networks import made_here
    from nas.study.networks import find_network, find_study, load_blocks, split_trial
    from nas.study.verified import store_verified
    from nas.support.errors import NasError

    if top is not None and top < 1:
        raise NasError(f"--top {top}: must be at least 1")
    plugins.load_all(plugin)
    remote = as_remote(ssh, ssh_option, python)
    loaded = find_study(study, storage)
    if loaded is None:
        found, _ = find_network(study, None, storage)
        network = made_here(found, "nas verify")
        device = Target.load(DEFAULT_TARGET if target is None else target)
        _verify_network(network, study, device, remote, minutes, as_json)
        return
    load_blocks(loaded)
    device = loaded.target if target is None else Target.load(target)
    _, trial = split_trial(study, storage)
    records = loaded.pareto()[:top] if trial is None else [loaded.record(trial)]
    if not records:
        raise NasError(f"study {loaded.name} has no network to verify")
    timed = _timed([record.arch for record in records], device, remote, minutes)
    pairs = zip(records, timed.comparisons, strict=True)
    done = [(record.trial, one) for record, one in pairs if one]
    if not done:
        raise NasError(f"study {loaded.name}: {'; '.join(timed.notes)}")
    store_verified(loaded, device.name, done, timed.drift)
    if as_json:
        facts = _summary(done, timed.drift) | {
            "study": loaded.name,
            "target": device.name,
            "networks": [_facts(trial, one) for trial, one in done],
            "pareto": len(loaded.pareto()),
            "interval_known": device.interval_known,
            "warnings": timed.notes,
        }
        echo_json(facts)
        return
    for note in timed.notes:
        echo(f"warning: {note}", err=True)
    front = [record.trial for record in loaded.pareto()]
    what = f"{len(done)} of {len(front)} networks on the Pareto front of {loaded.name}"
    if trial is not None:
        on_it = "on" if trial in front else "not on"
        what = f"trial {trial} of {loaded.name}, {on_it} its Pareto front"
    where = f"timed {_where(remote)}, against {device.name}"
    _print(done, f"{what}, {where}", device, timed.drift)


def _timed(
    networks: Sequence[Architecture], device: Target, remote: Remote | None, minutes: float
) -> Timed:
    """The comparison of networks, with progress while they are timed."""
    from nas.cli.measure import show_progress
    from nas.latency.measuring.verify import verify as compare

    if remote is not None:
        return compare(networks, device, remote=remote, minutes=minutes, say=say)
    with show_progress(minutes * 60) as progress:
        return compare(networks, device, minutes=minutes, progress=progress)


def _where(remote: Remote | None) -> str:
    return "here" if remote is None else f"on {remote.host}"


def _verify_network(
    network: Architecture,
    name: str,
    device: Target,
    remote: Remote | None,
    minutes: float,
    as_json: bool,
) -> None:
    from nas.support.errors import NasError

    timed = _timed([network], device, remote, minutes)
    (one,) = timed.comparisons
    if one is None:
        raise NasError(f"{name}: {'; '.join(timed.notes)}")
    if as_json:
        facts = {k: v for k, v in _facts(0, one).items() if k != "trial"}
        facts |= {"drift": timed.drift, "error_without_drift": one.without(timed.drift)}
        echo_json({"network": name, "target": device.name, **facts, "warnings": timed.notes})
        return
    for note in timed.notes:
        echo(f"warning: {note}", err=True)
    for line in _lines(f"{name}, timed {_where(remote)}", one, device, timed.drift):
        echo(line)


def _lines(name: str, one: Comparison, device: Target, drift: float) -> list[str]:
    """The comparison of one network in words."""
    from nas.report.words import drifted, extrapolated
    from nas.support.text import between, significant

    low, high = one.predicted.low_ms, one.predicted.high_ms
    return [
        f"{name}: {significant(one.measured_ms)} ms measured (noise {one.spread:.1%}), "
        f"{significant(one.predicted.ms)} ms ({between(low, high)}) predicted for {device.name}: "
        f"{one.error:+.1%}",
        drifted(device, drift, f"{one.without(drift):+.1%}"),
        *extrapolated(device, [one.predicted]),
    ]


def _summary(done: Sequence[tuple[int, Comparison]], drift: float) -> dict[str, Any]:
    """The number of networks inside their interval, and the mean error of the predictions, also
    without what the whole machine is off."""
    return {
        "inside": sum(one.inside for _, one in done),
        "mean_error": fmean(abs(one.error) for _, one in done),
        "drift": drift,
        "mean_error_without_drift": fmean(abs(one.without(drift)) for _, one in done),
    }


def _facts(trial: int, one: Comparison) -> dict[str, Any]:
    """A comparison as JSON types."""
    return {
        "trial": trial,
        "predicted_ms": one.predicted.ms,
        "interval_ms": [one.predicted.low_ms, one.predicted.high_ms],
        "measured_ms": one.measured_ms,
        "noise": one.spread,
        "error": one.error,
        "inside": one.inside,
    }


def _print(
    done: Sequence[tuple[int, Comparison]], title: str, device: Target, drift: float
) -> None:
    """The comparisons as a table with what they come to."""
    from nas.cli.tables import show, table
    from nas.report.words import drifted, extrapolated
    from nas.support.text import between, significant

    columns = ("trial", "predicted ms", "interval", "measured ms", "noise", "error", "inside")
    rows = [
        (
            trial,
            significant(one.predicted.ms),
            between(one.predicted.low_ms, one.predicted.high_ms),
            significant(one.measured_ms),
            f"{one.spread:.1%}",
            f"{one.error:+.1%}",
            "yes" if one.inside else "no",
        )
        for trial, one in done
    ]
    kind, all_of_them = "90%" if device.interval_known else "assumed", _summary(done, drift)
    show(
        title,
        table(columns, rows, left=0, minor=("noise", "interval")),
        f"{all_of_them['inside']} of {len(done)} are inside their {kind} interval; "
        f"mean error {all_of_them['mean_error']:.1%}",
        drifted(device, drift, f"{all_of_them['mean_error_without_drift']:.1%}"),
        *extrapolated(device, (one.predicted for _, one in done)),
    )
