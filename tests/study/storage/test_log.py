"""A study's log: what nas writes Optuna reads, what Optuna writes nas reads, in each storage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from stores import KINDS, place
from studies import take_reference

from nas.study import Driver, Study, begin
from nas.study.storage.log import Cursor
from nas.study.stored import TRIAL
from nas.support.errors import NasError


@pytest.fixture(params=KINDS)
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Study:
    storage = place(request.param, tmp_path)
    study = begin("jetson", ["20M"], "small", name="s", storage=storage, proxies=["entropy"])
    take_reference(study)
    Driver(study).run(6)
    return study


def rows(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, t.values, t.facts["hash"]) for t in study.stored()]


def test_optuna_reads_what_nas_writes(study: Study) -> None:
    theirs = study.optuna.get_trials()
    assert [(t.number, t.state, t.values, t.user_attrs[TRIAL]["hash"]) for t in theirs] == rows(
        study
    )
    assert {t.number for t in study.optuna.best_trials} == {r.trial for r in study.pareto()}
    assert [dict(t.system_attrs) for t in theirs] == [dict(t.notes) for t in study.stored()]
    assert study.optuna.user_attrs == study.log.attributes()


def test_nas_reads_the_records_of_an_older_hw_nas(study: Study) -> None:
    """They had the architecture in full, an attribute for each fact, and Optuna's parameters."""
    record, frozen = study.records()[0], study.trials()[0]
    facts = dict(frozen.user_attrs) | {"hash": "old", "architecture": record.arch.to_dict()}
    for later in ("assignment", "resolution", "values"):
        del facts[later]
    study.optuna.add_trial(
        create_trial(
            values=frozen.values,
            params=frozen.params,
            distributions=frozen.distributions,
            user_attrs=facts,
            system_attrs=frozen.system_attrs,
        )
    )
    old, new = Study.load("s", study.storage.location).records()[-1], record
    assert (old.trial, old.hash) == (6, "old")
    assert old.arch == new.arch
    assert old.to_dict() == new.to_dict() | {"trial": 6}
    assert study.trials()[6].params == frozen.params
    assert Driver(Study.load("s", study.storage.location)).run(8) == "finished"


def test_a_cursor_goes_on_where_it_was(study: Study) -> None:
    cursor = Cursor()
    assert [t.number for t in study.stored(cursor)] == [0, 1, 2, 3, 4, 5]
    assert list(study.stored(cursor)) == []
    study.optuna.add_trial(create_trial(state=TrialState.RUNNING))  # of another program
    Driver(study).run(8)
    assert [t.number for t in study.stored(cursor)] == [7, 8]
    assert study.tally().trials == 8


def test_a_driver_keeps_the_tally_of_what_it_reads(study: Study) -> None:
    fresh = Study.load("s", study.storage.location)
    Driver(fresh).run(8)
    assert fresh.tally().trials == 8
    again = Study.load("s", study.storage.location)
    assert again.tally().trials == 8
    Driver(again).run(9)
    assert (again.tally().trials, again.tally().scored) == (9, 9)
    assert [r.to_dict() for r in again.pareto()] == [r.to_dict() for r in fresh.pareto()]


def test_a_trial_takes_a_kilobyte(study: Study) -> None:
    path = study.storage.journal("s")
    if path is None:
        pytest.skip("a database has tables")
    lines = [line for line in path.read_text().splitlines() if '"op_code":4' in line]
    assert not any("Distribution" in line for line in lines)
    whole = ["architecture" in line for line in lines]  # of a network beside the space
    assert whole == [bool(record.like) for record in study.records()]
    limits = [6000 if beside else 1500 for beside in whole]
    assert all(len(line) < limit for line, limit in zip(lines, limits, strict=True))


def test_a_network_that_is_not_the_scored_one_is_refused(tmp_path: Path) -> None:
    study = begin(
        "jetson", ["20M"], "small", name="s", storage=str(tmp_path), proxies=["entropy"],
        sampler="random",
    )  # fmt: skip
    take_reference(study)
    Driver(study).run(2)
    path = tmp_path / "s.journal"
    *others, last = path.read_text().splitlines()
    log = json.loads(last)
    facts = log["user_attrs"][TRIAL]
    sizes = [len(values) for _, values in study.options]
    facts["assignment"] = [(i + 1) % n for i, n in zip(facts["assignment"], sizes, strict=True)]
    path.write_text("\n".join([*others, json.dumps(log, separators=(",", ":"))]) + "\n")
    record = Study.load("s", str(tmp_path)).records()[1]
    with pytest.raises(
        NasError, match="trial 1 of study 's': its assignment gives another network"
    ):
        _ = record.arch
    facts["assignment"] = [99]
    path.write_text("\n".join([*others, json.dumps(log, separators=(",", ":"))]) + "\n")
    with pytest.raises(NasError, match="trial 1 is damaged"):
        _ = Study.load("s", str(tmp_path)).records()[1].arch
