"""Whether what a study names is registered: without it every trial of a search would fail."""

from __future__ import annotations

from nas.study.samplers.registry import SAMPLERS
from nas.study.settings import StudySettings
from nas.support.errors import NasError


def check_registered(settings: StudySettings, owner: str) -> None:
    """Checks the sampler, the proxies and the criterion of `owner`, a study. What a notebook has
    registered is in no plugin's file, so the study could not store where they are from.

    Errors: `NasError` with the nearest name of the first that is unknown.
    """
    try:
        SAMPLERS[settings.sampler]
        if settings.proxies:
            from nas.proxies import PROXIES  # needs torch

            for name in settings.proxies:
                PROXIES[name]
        if settings.pruning is not None:
            from nas.pruning.criteria import CRITERIA  # needs torch

            CRITERIA[settings.pruning.criterion]
    except NasError as error:
        raise NasError(f"{owner}: {error}") from None
