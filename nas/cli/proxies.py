"""`nas proxies`."""

from __future__ import annotations

from nas.cli.options import JsonOption, PluginOption
from nas.cli.terminal import echo_json
from nas.support.resources import document


def list_proxies(plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """List the accuracy proxies: where each is from, what it needs, when not to trust it."""
    from nas import plugins
    from nas.cli.tables import show, table
    from nas.proxies import DEFAULT, PROXIES

    plugins.load_all(plugin)
    if as_json:
        facts = [{**p._asdict(), "default": name in DEFAULT} for name, p in sorted(PROXIES.items())]
        echo_json([{k: v for k, v in f.items() if k != "function"} for f in facts])
        return
    columns = ("proxy", "paper", "needs", "cost", "known failure")
    rows = [
        (
            f"{name} *" if name in DEFAULT else name,
            proxy.paper,
            ", ".join(proxy.needs) or "nothing",
            proxy.cost or "?",
            proxy.failure or "?",
        )
        for name, proxy in sorted(PROXIES.items())
    ]
    show(
        table(columns, rows, left=5, fold=columns[1:]),
        f"*: the default, combined by log-rank; see {document('proxies.md')}. Higher is better "
        "for all.",
        "cost: in forward passes of the batch; a proxy that needs nothing is analytic",
        "shared: one forward pass among all that need data, one backward pass of the loss",
    )
