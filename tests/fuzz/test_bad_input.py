"""Bad input of every kind for a moment; `scripts/fuzz_input.py` looks longer."""

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz.bad_input import Fuzz, fuzzes


@pytest.mark.parametrize("fuzz", fuzzes(), ids=lambda fuzz: fuzz.name)
def test_bad_input_is_one_line_and_nothing_is_half_written(fuzz: Fuzz) -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

    @settings(suppress_health_check=slow)
    @given(fuzz.inputs)
    def holds(example: object) -> None:
        fuzz.check(example)

    holds()
