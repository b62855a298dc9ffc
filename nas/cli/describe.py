"""`nas describe`, `nas targets` and `nas spaces`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.host import tell_host
from nas.cli.options import (
    JsonOption,
    NetworkArgument,
    PluginOption,
    ResolutionOption,
    StorageOption,
    as_resolution,
)
from nas.cli.terminal import echo_json
from nas.defaults import DEFAULT_TARGET
from nas.support.text import rough_count, significant

if TYPE_CHECKING:
    from nas.blocks import Block
    from nas.graph import Shape
    from nas.latency.metadata import Metadata

ERROR_WIDTH = 9  # of the column that is beside name and alias on the narrowest terminal, with gaps


def describe(
    arch: NetworkArgument,
    target: Annotated[
        str | None,
        typer.Option(help="Device to predict for. Default: the study's, otherwise cpu."),
    ] = None,
    resolution: ResolutionOption = None,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a network: its totals, its predicted accuracy and its layers."""
    from nas import plugins
    from nas.cli.gains import accuracy_parts, predicted_accuracy, trained_accuracy, trained_line
    from nas.cli.tables import layers_table, show
    from nas.describe import describe as describe_architecture
    from nas.imported import ImportedNetwork
    from nas.latency import Target
    from nas.report.words import extrapolated, known_interval, study_target
    from nas.study.networks import find_network

    plugins.load_all(plugin)
    network, study = find_network(arch, as_resolution(resolution), storage)
    if study is None or target is not None:
        device = Target.load(DEFAULT_TARGET if target is None else target)
    else:  # as it was when the study began, if the study has kept it
        device = study_target(study)[0] or study.target
    facts = describe_architecture(network, device)
    accuracy = predicted_accuracy(network, study)
    trained = trained_accuracy(arch)
    tell_host(device)
    if as_json:
        known = {"predicted_accuracy": accuracy, "trained_accuracy": trained}
        echo_json(facts | {name: value for name, value in known.items() if value})
        return
    low, high = facts["latency_interval_ms"]
    show(
        f"{facts['name']}: {facts['resolution']} px, "
        f"{significant(facts['macs'] / 1e6, 4)} MMACs, "
        f"{significant(facts['params'] / 1e6, 4)} Mparams "
        f"({significant(facts['weight_bytes'] / 1e6)} MB in {facts['precision']}), "
        f"peak activations {significant(facts['peak_bytes'] / 1e6)} MB",
        *_npu_memory(facts),
        f"latency on {device.name} ({device.metadata.kind}): "
        f"{significant(facts['latency_ms'])} ms, "
        f"{known_interval(low, high, device.interval_known)}",
        *extrapolated(device, [(facts["latency_ms"], low, high)]),
        *([network.left_out] if isinstance(network, ImportedNetwork) and network.unread else []),
        *([trained_line(trained)] if trained else []),
        *(accuracy_parts(accuracy, facts["layers"], study) if accuracy else []),
        layers_table(network, device),
    )


def _npu_memory(facts: dict[str, Any]) -> list[str]:
    """A line on SRAM and flash, where the target says what a network takes of them."""
    if "sram_bytes" not in facts:
        return []
    sram, flash = (facts[key] / 1024 for key in ("sram_bytes", "flash_bytes"))
    return [f"on the NPU: about {sram:.0f} KiB of SRAM, {flash:.0f} KiB of flash"]


def list_targets(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]...",
            help="Only those with every word in name, alias, device or runtime.",
        ),
    ] = None,
    provenance: Annotated[
        str | None,
        typer.Option(help="Only 'measured', 'calibrated' or 'estimated'.", show_default=False),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Only 'fp32', 'fp16' or 'int8'.", show_default=False)
    ] = None,
    error: Annotated[
        float | None,
        typer.Option(help="Only those whose error is at most that, in %.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the devices whose latency can be predicted."""
    from nas.cli.console import console
    from nas.cli.tables import show, table
    from nas.latency import target_names
    from nas.latency.metadata import PRECISIONS, PROVENANCES, read_metadata
    from nas.latency.target import target_path
    from nas.support.errors import NasError, one_of

    for option, value, allowed in (
        ("--provenance", provenance, PROVENANCES),
        ("--precision", precision, PRECISIONS),
    ):
        if value is not None and value not in allowed:
            raise one_of(option, value, allowed)
    if error is not None and not error >= 0:  # nor NaN
        raise NasError(f"--error {error:g}: must be a percentage of at least 0")
    rows: list[tuple[object, ...]] = []
    found: list[dict[str, Any]] = []
    for name in target_names():
        try:
            facts = read_metadata(target_path(name))
        except (NasError, OSError) as failure:
            rows.append((name, "", str(failure), *[""] * 6))
            found.append({"target": name, "error": str(failure)})
            continue
        text = " ".join([name, *facts.aliases, facts.device, facts.runtime]).lower()
        if (
            all(word.lower() in text for word in words or [])
            and provenance in (None, facts.provenance)
            and precision in (None, facts.precision)
            and (error is None or (facts.error is not None and 100 * facts.error.mape <= error))
        ):
            found.append({"target": name, **facts.shown()})
            rows.append(_target_row(name, facts))
    if not rows:
        raise NasError("no target is like that; `nas targets` lists all")
    if as_json:
        echo_json(found)
        return
    columns = ["target", "alias", "provenance", "device", "runtime", "precision", "date"]
    widths = [max(len(str(row[i])) for row in rows) for i in (0, 1)]
    said = []
    if sum(widths) + ERROR_WIDTH > console().width:
        del columns[1]
        rows = [(str(row[1]).partition(",")[0] or row[0], *row[2:]) for row in rows]
        said = ["target: its alias where it has one; either can be typed"]
    show(
        table(
            (*columns, "error", "noise"),
            rows,
            left=len(columns),
            fold=("provenance", "device", "runtime"),
            minor=("noise", "date", "runtime", "device", "precision", "provenance"),
        ),
        *said,
        "error: mean absolute error of predictions for networks that were left out of the fit; "
        "noise: that of the measurement itself",
    )


def _target_row(name: str, facts: Metadata) -> tuple[str, ...]:
    error = facts.error
    shares = (error.mape if error else None, facts.noise)
    return (
        name,
        ", ".join(facts.aliases),
        facts.provenance,
        facts.device,
        f"{facts.runtime}, throughput" if facts.throughput else facts.runtime,
        facts.precision,
        facts.date,
        *("–" if share is None else f"{share:.1%}" for share in shares),
    )


def list_spaces(
    space: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SPACE]...", help="Names or YAML files. Default: all shipped."),
    ] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """List search spaces, their size and their range of multiply-adds."""
    from statistics import median

    from nas import plugins
    from nas.cli.tables import show, table
    from nas.costs import block_cost, cost
    from nas.resolution import mean_side
    from nas.space import SearchSpace
    from nas.space.extremes import largest, smallest
    from nas.space.files import space_names

    def macs_of(row: Block, shape: Shape) -> int:
        return block_cost(row, shape)[0][1]

    plugins.load_all(plugin)
    rows, found = [], []
    for name in space or space_names():
        loaded = SearchSpace.load(name)
        low = smallest(loaded, macs_of, restarts=0).value
        high = largest(loaded, macs_of, restarts=0).value
        middle = median(cost(loaded.sample(seed)).macs for seed in range(300))
        found.append(
            {
                "space": loaded.name,
                "about": loaded.settings.about,
                "resolutions": list(loaded.settings.resolution),
                "networks": loaded.size,
                **dict(
                    zip(
                        ("least_macs", "median_macs", "most_macs"), (low, middle, high), strict=True
                    )
                ),
            }
        )
        sizes = "–".join(str(f(loaded.settings.resolution, key=mean_side)) for f in (min, max))
        macs = [significant(value / 1e6) for value in (low, middle, high)]
        rows.append((loaded.name, loaded.settings.about, sizes, rough_count(loaded.size), *macs))
    if as_json:
        echo_json(found)
        return
    columns = ("space", "about", "px", "networks", "min MMACs", "median", "max")
    show(table(columns, rows, left=2, fold=("about",), minor=("networks", "px")))
