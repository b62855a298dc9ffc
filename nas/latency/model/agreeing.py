"""Latencies that look wrong, but agree with each other on a kernel that no other network shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from nas.latency.lowering.kernels import Kernel
from nas.latency.model.basis import Vector
from nas.latency.model.columns import CONVOLUTIONS, operation


def agreeing(
    networks: Sequence[Sequence[Kernel]], logs: Vector, suspected: Sequence[int]
) -> set[int]:
    """The suspects that are off the same way as another with a kernel that only suspects have.

    A runtime may do such a kernel slowly, and nothing but these latencies can show it. One alone
    may as well be wrong.
    """
    others = [_convolved(one) for i, one in enumerate(networks) if i not in suspected]
    known = set[tuple[str, int]]().union(*others)
    holders = defaultdict[tuple[str, int, bool], set[int]](set)
    for i in suspected:
        for op, size in _convolved(networks[i]) - known:
            holders[op, size, bool(logs[i] > 0)].add(i)
    return {i for those in holders.values() if len(those) > 1 for i in those}


def _convolved(kernels: Sequence[Kernel]) -> set[tuple[str, int]]:
    """The convolutions of a network: their operations and sizes."""
    return {(operation(one), one.size[0]) for one in kernels if one.op in CONVOLUTIONS}
