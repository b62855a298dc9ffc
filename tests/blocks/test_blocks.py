"""Every registered block keeps the contract: a new one is covered without an edit here."""

from __future__ import annotations

import pytest

from nas.blocks import KINDS
from nas.testing import check_block


@pytest.mark.parametrize("name", KINDS)
def test_the_contract(name: str) -> None:
    check_block(name)
