"""Every registered block is prunable, and so is a user's own."""

from __future__ import annotations

import pytest

from nas.architecture import Architecture
from nas.blocks import KINDS, Block, block
from nas.graph import Builder
from nas.pruning.inherit import Parent
from nas.pruning.space import PruningSpace
from nas.support.registry import transaction
from nas.testing import check_prunable
from nas.torch_module import build


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


def test_a_gate_of_one_channel_stays_one_for_all_where_what_it_gates_gets_narrow() -> None:
    """With one channel left to gate, the two would go together, which they do not in the parent."""
    with transaction() as made:

        @block("pixelwise")
        def pixelwise(net: Builder, x: int, *, out: int) -> int:
            few = max(1, out // 8)
            far = net.conv(x, few, act=None)
            near = net.conv(x, out - few, kernel=3)
            gate = net.conv(near, 1, norm=False, act="hsigmoid")
            return net.concat(near, net.multiply(far, gate))

        check_prunable("pixelwise")
        arch = Architecture(
            8,
            (Block("conv", out=16),),
            ((Block("pixelwise", out=32),),),
            (Block("gap"), Block("linear", out=4)),
        )
        space = PruningSpace.of(arch, "children", divisor=1)
        parent = Parent(arch, build(arch, seed=0))
        for params in (space.least, {"stages.0.out": 9}):
            child = space.decode(params)
            parent.channels(child)
            out = dict(child.stages[0][0].settings)["out"]
            assert isinstance(out, int)
            assert out >= 16
        made.undo()
