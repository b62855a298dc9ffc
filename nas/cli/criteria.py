"""`nas criteria`."""

from __future__ import annotations

from nas.cli.options import JsonOption, PluginOption
from nas.cli.terminal import echo_json
from nas.support.resources import document


def list_criteria(plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """List the pruning criteria: where each is from, what it needs, when not to trust it."""
    from nas import plugins
    from nas.cli.tables import show, table
    from nas.pruning.criteria import CRITERIA

    plugins.load_all(plugin)
    entries = [criterion for _, criterion in sorted(CRITERIA.items())]
    if as_json:
        facts = [entry._asdict() for entry in entries]
        echo_json([{k: v for k, v in fact.items() if k != "function"} for fact in facts])
        return
    columns = ("criterion", "source", "needs", "cost", "known failure")
    rows = [
        (c.name, c.source, ", ".join(c.needs), c.cost or "?", c.failure or "?") for c in entries
    ]
    show(
        table(columns, rows, left=5, fold=columns[1:]),
        f"Channels with the highest scores are kept; see {document('pruning.md')}.",
        "cost: in forward passes of the images; a backward pass is two",
    )
