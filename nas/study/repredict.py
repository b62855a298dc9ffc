"""Moves a study to what its target predicts now: every trial again, its score as it was."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.architecture import Architecture
from nas.latency import Target
from nas.study.config import write_config
from nas.study.manage import belongings, rename
from nas.study.pruning import candidates_of
from nas.study.storage.log import Cursor
from nas.study.stored import TRIAL, Stored
from nas.study.study import Study
from nas.study.trials import IDENTITY, OPTIONS, SETTINGS, TARGET
from nas.support.errors import NasError

OWN = (SETTINGS, OPTIONS, IDENTITY, TARGET)
CONSTRAINTS = "constraints"  # as Optuna keeps them, among what the sampler noted
OVER = "exceeds a budget by what the target predicts now"


def repredict(study: Study) -> tuple[Study, str]:
    """The study by its target as it is now, and what there is to be said of it. It takes the name;
    what there was before keeps its trials, and what was trained for it, as NAME-before.

    Trials that exceed a budget now count as failed. Errors: `NasError`, also where the target is
    as it was, where another study is called so, or where the study is being driven.
    """
    target = Target.load(study.settings.target)
    if target.checksum == study.settings.target_checksum:
        raise NasError(f"study '{study.name}': target {target.name} is as it was when it began")
    name, before, begun = study.name, f"{study.name}-before", f"{study.name}-repredicting"
    taken = set(study.storage.names())
    for other in (before, begun):
        if other in taken:
            raise NasError(f"study '{other}' is there: nas studies rename or rm moves it away")
    settings = study.settings.model_copy(update={"target_checksum": target.checksum})
    candidates = candidates_of(study.space, target, study.budgets)
    candidates.check(settings.seed)
    made = Study.create(begun, settings, study.storage, candidates)
    if settings.pruning is None:
        write_config(made)
    for key, value in study.log.attributes().items():
        if key not in OWN:
            made.log.set_attribute(key, value)
    over = 0
    for trial in study.log.trials(Cursor()):
        again = _again(study, made, trial)
        over += again.state == TrialState.FAIL and trial.complete
        made.log.add(again)
    rename(belongings(study.storage, name), before)
    rename(belongings(study.storage, begun), name)
    said = f"study '{name}' is predicted anew for {target.name}; as it was it is '{before}'"
    return Study.load(name, study.storage.location), said + (
        f"; {over} trials {OVER}" if over else ""
    )


def _again(study: Study, made: Study, trial: Stored) -> FrozenTrial:
    """A trial with what its network costs now."""
    facts: dict[str, Any] = dict(trial.facts)
    limits: dict[str, float] = {}
    state, values = trial.state, trial.values
    if trial.complete:
        assignment, whole = trial.assignment(study.options), facts.get("architecture")
        if whole is None:
            candidate = made.candidates.make(assignment)
        else:
            candidate = made.candidates.beside(assignment, Architecture.from_dict(whole))
        values = made.values((trial.values or [])[0], candidate)
        limits = made.candidates.constraints(candidate)
        facts |= made.facts(candidate, values, {})
        if any(limit > 0 for limit in limits.values()):
            state, values = TrialState.FAIL, None
            facts |= {"values": None, "reason": OVER}
    return create_trial(
        state=state,
        values=values,
        user_attrs={TRIAL: facts},
        system_attrs={k: v for k, v in trial.notes.items() if not k.startswith(CONSTRAINTS)},
        constraints=limits or None,
    )
