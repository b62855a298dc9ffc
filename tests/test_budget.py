"""Budgets are read as a user writes them, and refused in one line otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.budget import parse_budget, parse_budgets
from nas.measures import format_measure
from nas.support.errors import NasError


@pytest.mark.parametrize(
    ("text", "measure", "limit"),
    [
        ("300MFLOPs", "macs", 300e6),
        ("300M", "macs", 300e6),
        ("0.3GFLOPs", "macs", 300e6),
        ("300MMACs", "macs", 300e6),
        ("300 mflops", "macs", 300e6),
        ("8ms", "latency_ms", 8),
        ("900us", "latency_ms", 0.9),
        ("900\u00b5s", "latency_ms", 0.9),  # the sign micro, and the Greek letter
        ("900\u03bcs", "latency_ms", 0.9),
        ("4Mparams", "params", 4e6),
        ("500kparams", "params", 5e5),
        ("2MB", "peak_bytes", 2e6),
        ("2MiB", "peak_bytes", 2 * 2**20),
        ("5MBweights", "weight_bytes", 5e6),
    ],
)
def test_reads_what_users_write(text: str, measure: str, limit: float) -> None:
    budget = parse_budget(text)
    assert budget.measure == measure
    assert budget.limit == pytest.approx(limit, rel=1e-12)
    assert budget.text == text


@pytest.mark.parametrize(
    "text", ["", "abc", "300", "-3M", "3Q", "0M", "ms", "nanM", "1e9M", "3 M M"]
)
def test_refuses_what_is_no_budget(text: str) -> None:
    with pytest.raises(NasError) as caught:
        parse_budget(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_number_alone_wants_a_unit() -> None:
    with pytest.raises(NasError, match=r"budget '5': a unit is needed; write it as 300MFLOPs"):
        parse_budget("5")


def test_refuses_two_limits_of_one_measure() -> None:
    with pytest.raises(NasError, match=r"'300M' and '0\.2GFLOPs'"):
        parse_budgets(["300M", "8ms", "0.2GFLOPs"])


def test_a_text_is_one_budget() -> None:
    assert parse_budgets("2MFLOPs") == parse_budgets(["2MFLOPs"])


@given(st.text(max_size=12))
def test_any_text_is_a_budget_or_a_clear_error(text: str) -> None:
    try:
        assert parse_budget(text).limit > 0
    except NasError as error:
        assert "budget" in str(error)


@given(st.integers(1, 10**12))
def test_formatted_macs_read_back(macs: int) -> None:
    text = format_measure("macs", macs)
    if macs >= 1000:
        assert parse_budget(text.replace(" ", "")).limit == pytest.approx(macs, rel=1e-3)
    else:
        assert text == f"{macs:.4g} MACs"
