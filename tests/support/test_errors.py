"""Errors about names that are not known."""

import pytest

from nas.support.errors import one_of

MANY = [f"device-{number:03}" for number in range(100)]


@pytest.mark.parametrize("value", ["device-1", "divice-100", "zzz", "", "x" * 500])
def test_of_many_names_a_few_are_shown_and_how_to_list_them(value: str) -> None:
    said = str(one_of("target", value, MANY, lister="nas targets"))
    assert 1 <= sum(name in said for name in MANY) <= 3
    assert "nas targets lists all" in said
    assert len(said) < 250


def test_few_names_are_all_shown() -> None:
    said = str(one_of("target", "zzz", MANY[:5], lister="nas targets"))
    assert all(name in said for name in MANY[:5])
    assert "nas targets" not in said


def test_capitals_hide_no_near_name() -> None:
    assert "did you mean 'device-005'?" in str(one_of("target", "DEVICE-005", MANY))
    assert "did you mean 'xeon/NCNN'?" in str(one_of("target", "ncnn", ["xeon/NCNN", *MANY]))
