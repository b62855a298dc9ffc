"""What a study is made of: everything that is needed to resume it, stored in it as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from nas._version import __version__
from nas.plugins import PluginFile
from nas.proxies import DEFAULT
from nas.training.recipe import Recipe
from nas.validation import Settings

# Nine epochs: successive halving looks after the first and the third.
FINALIST_RECIPE = Recipe(epochs=9)


class StudySettings(Settings):
    """`space` is the whole space, so a study does not depend on the file it came from; the
    `target` is named, with the checksum of the table that the study began with, and `plugins` are
    the files that registered a block of the space or a proxy. With `data` the space is already that
    of the data set, and the best `finalists` of the Pareto front are trained by `recipe`."""

    space: dict[str, Any]
    target: str
    target_checksum: str
    budgets: tuple[str, ...]
    sampler: str = "nsga2"
    proxies: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT
    trials: Annotated[int, Field(ge=1)] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    plugins: tuple[PluginFile, ...] = ()
    data: str | None = None
    finalists: Annotated[int, Field(ge=0, le=1000)] = 0
    recipe: Recipe = FINALIST_RECIPE
    version: str = __version__
