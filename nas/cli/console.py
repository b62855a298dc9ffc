"""The console on which tables and bars are drawn, which takes text as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from nas.cli import terminal
from nas.cli.terminal import clean

UNSEEN_WIDTH = 200


def console(*, stderr: bool = False) -> Console:
    """Standard output or error, without markup; as wide as any table needs where nobody looks."""
    quiet = stderr and terminal.quiet
    made = _Console(
        stderr=stderr, quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True
    )
    if not made.is_terminal:
        made.width = UNSEEN_WIDTH
    return made


class _Console(Console):
    """Cleans every string, in a table's cell too, and leaves a broken pipe to the caller."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str("\n".join(map(clean, text.split("\n"))), **options)

    def on_broken_pipe(self) -> None:
        raise
