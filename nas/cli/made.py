"""What is said of a target that was made: what it hides, and how to search for it."""

from __future__ import annotations

import shlex
from pathlib import Path

from nas.cli.terminal import echo
from nas.defaults import DEFAULT_TARGET


def warn_of_hidden(path: Path) -> None:
    """Says which shipped target the user's own one takes the place of."""
    from nas.latency.folders import found_as
    from nas.latency.target import hidden_by

    if hidden := hidden_by(path):
        name = found_as(path)
        named = f"{name}, the default," if name == DEFAULT_TARGET else name
        echo(
            f"warning: --target {named} means this target now, not the shipped {hidden}; "
            f"to undo that, remove {path}",
            err=True,
        )


def print_search_command(path: Path) -> None:
    """Prints how to search for a new target: by its name, where that is enough to find it."""
    from nas.latency.folders import found_as

    name = found_as(path) or shlex.quote(str(path))
    echo(f"search for it: nas search --target {name} --budget 300MFLOPs")
