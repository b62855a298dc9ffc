"""The Pareto front against its definition."""

from hypothesis import given
from hypothesis import strategies as st

from nas.study.study import Record, pareto


def record(trial: int, score: float, latency_ms: float) -> Record:
    return Record(trial, score, 1, 1, 1, latency_ms, (latency_ms, latency_ms), 32, {}, {})


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), max_size=12))
def test_front_is_what_no_other_beats(points: list[tuple[int, int]]) -> None:
    records = [record(i, float(s), float(ms)) for i, (s, ms) in enumerate(points)]
    front = {(r.score, r.latency_ms) for r in pareto(records)}
    expected = {
        (a.score, a.latency_ms)
        for a in records
        if not any(
            b.score >= a.score
            and b.latency_ms <= a.latency_ms
            and (b.score, b.latency_ms) != (a.score, a.latency_ms)
            for b in records
        )
    }
    assert front == expected
    scores = [r.score for r in pareto(records)]
    assert scores == sorted(scores, reverse=True)
