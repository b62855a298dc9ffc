"""The settings of a study: everything that is needed to resume it, stored in it as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from packaging.version import Version
from pydantic import BeforeValidator, Field

from nas._version import __version__
from nas.data.options import DataOptions
from nas.defaults import DEFAULT_OBJECTIVES, DEFAULT_SAMPLER, DEFAULT_TRIALS
from nas.plugins import PluginFile
from nas.support.errors import NasError
from nas.support.text import texts_of
from nas.support.validation import Settings, Whole, validated
from nas.training.recipe import Recipe

# Nine epochs, or a multiple: successive halving looks after a ninth and a third of them.
FINALIST_RECIPE = Recipe(epochs=9)
FINE_TUNING = Recipe(epochs=9, lr=0.05, warmup=0.1)  # of pruned networks
Names = Annotated[tuple[str, ...], BeforeValidator(texts_of)]  # or the one that a text is
Ratios = Literal["search", "uniform", "global", "sensitivity"]
RATIOS: tuple[Ratios, ...] = get_args(Ratios)


class PruningStudy(Settings):
    """What a study that prunes a trained network has beside the space that is made from it.

    `weights` is the file of the parent's weights, with its checksum. `criterion` ranks channels,
    `reconstruct` refits layers that lose inputs and `ratios` says how widths are chosen. Children
    far below the accuracy `enough`, a share, are looked at on fewer images. The best child's
    training is written to `output`.
    """

    weights: str
    checksum: str
    criterion: str = "l1"
    reconstruct: bool = False
    norm_eps: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-5
    ratios: Ratios = "search"
    enough: Annotated[float, Field(ge=0, le=1)] = 0.0
    output: str | None = None
    images: Annotated[Whole, Field(ge=1)] = 512
    norm_images: Annotated[Whole, Field(ge=2)] = 128
    criterion_images: Annotated[Whole, Field(ge=1)] = 512


class StudySettings(Settings):
    """The settings of a study.

    `space` is the whole space, so a study does not depend on the `space_file` it came from; the
    `target` is named, with the checksum of the table that the study began with, and `plugins` are
    the files that registered a block of the space or a proxy. Without `proxies` the score is the
    predicted accuracy. The first of them are `start_from`, then the `families`, which are named
    hand-scaled networks. With `data` the space is already that of the data set; `learn` networks
    are trained by `recipe` to learn from, or as many as `train_minutes` allow, and `finalists` in
    the end. Accuracies are predicted for so many `training_steps`: the recipe's, or those of `nas
    train` where the study trains nothing. With `pruning` the space is that of a trained network's
    children, and the score is their inherited accuracy.
    """

    space: dict[str, Any]
    target: str
    target_checksum: str
    budgets: tuple[str, ...]
    sampler: str = DEFAULT_SAMPLER
    objectives: Names = DEFAULT_OBJECTIVES
    proxies: Names = ()
    start_from: tuple[dict[str, Any], ...] = ()
    families: dict[str, dict[str, Any]] = {}
    cascade: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    trials: Annotated[Whole, Field(ge=1, le=10**7)] = DEFAULT_TRIALS
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    plugins: tuple[PluginFile, ...] = ()
    data: str | None = None
    data_options: DataOptions = DataOptions()
    data_checksum: str | None = None
    finalists: Annotated[Whole, Field(ge=0, le=1000)] = 0
    learn: Annotated[Whole, Field(ge=0, le=100_000)] = 0
    train_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    recipe: Recipe = FINALIST_RECIPE
    training_steps: Annotated[Whole, Field(ge=1)] | None = None
    pruning: PruningStudy | None = None
    space_file: PluginFile | None = None
    version: str = __version__

    @property
    def score_name(self) -> str:
        """What the scores of its trials are."""
        if self.pruning is not None:
            return "inherited accuracy"
        return "score" if self.proxies else "predicted accuracy"


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
