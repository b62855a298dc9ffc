"""Every registered block is prunable, and so is a user's own."""

from __future__ import annotations

import pytest

from nas.blocks import KINDS, block
from nas.graph import Builder
from nas.support.registry import transaction
from nas.testing import check_prunable


@pytest.mark.parametrize("name", KINDS)
def test_the_contract(name: str) -> None:
    check_prunable(name)


def test_a_plugins_block_needs_nothing_for_it() -> None:
    """One with a gate, a grouped convolution, a split and a residual addition."""
    with transaction() as made:

        @block("odd")
        def odd(net: Builder, x: int, *, out: int, hidden: int = 12, groups: int = 2) -> int:
            h = net.shuffle(net.conv(x, hidden, groups=1), groups)
            left, right = net.split(h, hidden // 2, hidden - hidden // 2)
            right = net.conv(right, hidden - hidden // 2, kernel=3, groups=groups)
            h = net.concat(left, right, net.maxpool(x, stride=1))
            h = net.squeeze_excite(h, 4, gate="sigmoid")
            h = net.conv(h, out, act=None, name="last")
            return net.add(h, x) if net.channels(x) == out else h

        check_prunable("odd")
        made.undo()
