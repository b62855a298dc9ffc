"""How far `auto` came, as the output's `auto.json` keeps it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nas._version import __version__
from nas.auto.asked import Asked
from nas.auto.plan import Plan
from nas.support.errors import NasError
from nas.support.files import inside, read_text, write_whole
from nas.support.validation import Settings, validated
from nas.training import Recipe

STATE = "auto.json"
# By their names in Asked.
OPTIONS = {"budgets": "budget", "minutes": "time", "parent": "from", "norm_eps": "norm-eps"}


class State(Settings):
    """The contents of `auto.json`. `seconds` are those of the stages that are done; `final` is the
    winner's recipe once that is `decided`, None where its brief training is all. `transfer` is the
    recipe of a network whose weights are from elsewhere, and `parent_seconds` what training a
    network that is pruned takes on an image, by which the time is planned."""

    asked: Asked
    transfer: Recipe | None = None
    parent_seconds: float | None = None
    plan: Plan | None = None
    final: Recipe | None = None
    decided: bool = False
    cut: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    version: str = __version__

    @property
    def spent(self) -> float:
        """The seconds of all stages."""
        return sum(self.seconds.values())


def _of_another(name: str, was: Any, now: Any) -> str:
    """What an output is of, where that is not what is asked for now, and how to go on with it."""
    if name == "checksum":
        return "of other images: put those back that it was begun with"
    if name == "options":
        given, others = was.model_dump(mode="json"), now.model_dump(mode="json")
        values = ", ".join(
            f"{key.replace('_', '-')} {value or 'not given'}"
            for key, value in given.items()
            if value != others[key]
        )
        return f"of other options of the data ({values}): give those to go on"
    option = f"--{OPTIONS.get(name, name)}"
    several: tuple[Any, ...] = was if isinstance(was, tuple) else () if was is None else (was,)
    unit = "m" if name == "minutes" else ""
    words = [f"{option} {f'{value:g}' if unit else value}{unit}" for value in several]
    return f"of {' '.join(words) or f'no {option}'}: give that to go on"


class Kept:
    """The state in an output folder. Errors: `NasError` where that holds something else."""

    def __init__(self, asked: Asked, output: Path) -> None:
        self.asked, self.output = asked, output
        self.reread()

    def reread(self) -> None:
        """Takes what was begun in the output."""
        self.state = self._read()

    def _read(self) -> State:
        path = inside(self.output, STATE, f"output {self.output}")
        if not os.path.lexists(path):
            return State(asked=self.asked)
        state = validated(State, read_text(path, str(path)), str(path))
        for name in Asked.model_fields:
            was, now = getattr(state.asked, name), getattr(self.asked, name)
            moved = name == "data" and state.asked.checksum == self.asked.checksum
            if was != now and not moved:
                other = _of_another(name, was, now)
                raise NasError(f"{self.output} holds the result {other}, or take another --output")
        return state

    def store(self, **changes: object) -> None:
        """Changes the state, and keeps it."""
        self.state = self.state.model_copy(update=changes)
        write_whole(self.output / STATE, self.state.model_dump_json(indent=1))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A stage, whose time is kept once: going on with what is done takes none."""
        began = time.monotonic()
        yield
        if name not in self.state.seconds:
            spent = time.monotonic() - began
            self.store(seconds={**self.state.seconds, name: spent})
