"""`Asked`: what `nas auto` is asked for."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from nas.data.options import DataOptions
from nas.support.validation import Settings
from nas.training.recipe import Minutes


class Asked(Settings):
    """What the command was given; another one may not go on with the same output. `parent` is the
    folder of a training whose network is pruned, too; with `weights`, a file of them, any network
    at the `resolution`, whose norms have the epsilon `norm_eps`."""

    data: str
    options: DataOptions
    checksum: str
    target: str
    budgets: tuple[str, ...]
    space: str
    minutes: Minutes | None
    seed: int
    parent: str | None = None
    weights: str | None = None
    norm_eps: float | None = None
    resolution: str | None = None

    def command(self, output: Path) -> str:
        """The command that asks for the same, with its result in `output`."""
        options = self.options.flags()
        if not self.options.test_share:
            options += " --test-share 0"
        given = {
            "--target": [self.target], "--budget": self.budgets, "--space": [self.space],
            "--time": [self.minutes and f"{self.minutes:g}m"], "--from": [self.parent],
            "--weights": [self.weights], "--norm-eps": [self.norm_eps],
            "--resolution": [self.resolution], "--seed": [self.seed], "--output": [output],
        }  # fmt: skip
        words = [
            f" {name} {quote(str(value))}"
            for name, values in given.items()
            for value in values
            if value is not None
        ]
        return f"nas auto --data {quote(self.data)}{options}{''.join(words)}"
