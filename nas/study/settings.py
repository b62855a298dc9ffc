"""The settings of a study: everything that is needed to resume it, stored in it as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any

from packaging.version import Version
from pydantic import Field

from nas._version import __version__
from nas.defaults import (
    DEFAULT_OBJECTIVES,
    DEFAULT_PROXIES,
    DEFAULT_SAMPLER,
    DEFAULT_TRIALS,
)
from nas.plugins import PluginFile
from nas.support.errors import NasError
from nas.support.validation import Settings, validated
from nas.training.recipe import Recipe

# Nine epochs: successive halving looks after the first and the third.
FINALIST_RECIPE = Recipe(epochs=9)


class StudySettings(Settings):
    """The settings of a study.

    `space` is the whole space, so a study does not depend on the `space_file` it came from; the
    `target` is named, with the checksum of the table that the study began with, and `plugins` are
    the files that registered a block of the space or a proxy. With `data` the space is already that
    of the data set, and the best `finalists` of the Pareto front are trained by `recipe`.
    """

    space: dict[str, Any]
    target: str
    target_checksum: str
    budgets: tuple[str, ...]
    sampler: str = DEFAULT_SAMPLER
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    proxies: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT_PROXIES
    start_from: tuple[dict[str, Any], ...] = ()
    cascade: Annotated[int, Field(ge=1, le=10_000)] = 1
    trials: Annotated[int, Field(ge=1, le=10**7)] = DEFAULT_TRIALS
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    plugins: tuple[PluginFile, ...] = ()
    data: str | None = None
    finalists: Annotated[int, Field(ge=0, le=1000)] = 0
    recipe: Recipe = FINALIST_RECIPE
    space_file: PluginFile | None = None
    version: str = __version__


def read_settings(text: str, source: str) -> StudySettings:
    """Settings as a study stores them.

    Errors: `NasError`, also where a newer version of hw-nas has written them.
    """
    made = None
    with suppress(ValueError, TypeError, LookupError):
        made = Version(json.loads(text)["version"])
    if made and made > Version(__version__):
        raise NasError(
            f"{source} was made by hw-nas {made}, newer than this {__version__}: upgrade hw-nas"
        )
    return validated(StudySettings, text, source)
