"""The Pareto front against its definition, for one objective beside the score and for several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from nas.architecture import Architecture
from nas.blocks import Block
from nas.measures import OBJECTIVES
from nas.study.objectives import check_objectives, pareto
from nas.study.progress import Tally
from nas.study.record import Record
from nas.study.stored import Stored
from nas.support.errors import NasError

ARCH = Architecture(32, (), (), (Block("gap"),))


def record(trial: int, score: float, macs: int, latency_ms: float, peak_bytes: int) -> Record:
    interval = (latency_ms, latency_ms)
    return Record(trial, score, macs, 1, peak_bytes, latency_ms, interval, 32, {}, lambda: ARCH)


VALUES = st.integers(0, 4)
NAMES = ("macs", "memory")


@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), max_size=12),
    st.lists(st.sampled_from(["latency", "macs", "memory"]), min_size=1, max_size=3, unique=True),
)
def test_front_is_what_no_other_beats(
    points: list[tuple[int, int, int, int]], names: list[str]
) -> None:
    records = [record(i, s, macs, ms, memory) for i, (s, macs, ms, memory) in enumerate(points)]

    def losses(r: Record) -> tuple[float, ...]:
        return (-r.score, *(getattr(r, OBJECTIVES[name]) for name in names))

    def beaten(a: Record) -> bool:
        return any(
            all(x <= y for x, y in zip(losses(b), losses(a), strict=True))
            and losses(a) != losses(b)
            for b in records
        )

    front = pareto(records, names)
    assert {losses(r) for r in front} == {losses(r) for r in records if not beaten(r)}
    assert len({losses(r) for r in front}) == len(front)
    assert [losses(r) for r in front] == sorted(losses(r) for r in front)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=12))
def test_the_tally_s_front_is_that_of_all_trials(points: list[tuple[int, int, int]]) -> None:
    tally = Tally(NAMES)
    records = [record(i, s, macs, 1, memory) for i, (s, macs, memory) in enumerate(points)]
    for one in records:
        values = [one.score, one.macs, one.peak_bytes]
        trial = Stored(one.trial, TrialState.COMPLETE, values, {}, {}, {})
        tally.add(trial, lambda stored: records[stored.number])
        now, front = tally.progress("search", 0, 1), pareto(records[: one.trial + 1], NAMES)
        assert now.front == len(front)
        assert now.best is not None
        assert now.best.score == front[0].score


@pytest.mark.parametrize(
    ("names", "message"),
    [(["latncy"], "did you mean 'latency'"), ([], "at least one"), (["macs", "macs"], "once")],
)
def test_objectives_that_cannot_be(names: list[str], message: str) -> None:
    with pytest.raises(NasError, match=message):
        check_objectives(names)
