"""What can be added by name."""

from __future__ import annotations

import pytest

from nas.support.errors import NasError
from nas.support.registry import Registry


def test_a_cell_that_is_run_again_is_told_how_to_go_on() -> None:
    registry = Registry[int]("block")
    registry.register("mine", 1, "__main__")
    with pytest.raises(NasError, match=r"taken by __main__: .*start Python anew, or rename it"):
        registry.register("mine", 2, "__main__")
    with pytest.raises(NasError, match=r"taken by __main__$"):
        registry.register("mine", 2, "a/plugin.py")
    assert registry["mine"] == 1
