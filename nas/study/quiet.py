"""Optuna without its notes on every study that is made, or on what is new; warnings are shown as
ever."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna's log begins at warnings, then where it began before."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def name_values(study: optuna.Study, titles: Sequence[str]) -> None:
    """Stores what Optuna's tools call each of a trial's values, if there is anything to store."""
    if not titles:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(titles))
