"""Kernels that few or no given networks have, judged by a shipped table's measured latencies.

LiteRT's int8 runs depthwise 7x7 kernels many times slower than smaller ones.
"""

import numpy as np
import pytest

import nas
from nas.latency.table import read_table
from nas.latency.target import target_path
from nas.support.errors import NasWarning

Measured = list[tuple[nas.Architecture, float]]


def has_sevens(arch: nas.Architecture) -> bool:
    return any(dict(row.settings).get("kernel") == 7 for row in arch.rows())


@pytest.fixture(scope="module")
def rows() -> tuple[Measured, Measured, Measured]:
    """Networks without large kernels, random ones with, and those of ProxylessNAS, in ms."""
    table = read_table(target_path("xeon/litert-int8").with_suffix(".csv"))
    measured = [
        (row.subject.architecture(), row.latency_ms)
        for row in table
        if row.subject.kind == "network"
    ]
    plain, sevens, proxyless = [], [], []
    names = {nas.reference("proxylessnas_mobile", resolution=size).hash for size in (160, 192, 224)}
    for arch, ms in measured:
        if arch.hash in names:
            proxyless.append((arch, ms))
        elif has_sevens(arch):
            sevens.append((arch, ms))
        else:
            plain.append((arch, ms))
    return plain[::8][:30], sevens[:20], proxyless


def outside(target: nas.Target, others: Measured) -> tuple[int, int]:
    """How many are outside twice their intervals, and how many of all are called extrapolated."""
    found = list(target.predict_all([arch for arch, _ in others]))
    far = [
        abs(np.log(ms / one.ms)) > 2 * np.log(one.high_ms / one.ms)
        for (_, ms), one in zip(others, found, strict=True)
    ]
    return sum(far), sum(target.extrapolates(one) for one in found)


def test_slow_rows_that_agree_are_kept(rows: tuple[Measured, Measured, Measured]) -> None:
    plain, sevens, proxyless = rows
    target = nas.calibrate([*plain, *proxyless[:2]])
    assert target.metadata.error
    assert target.metadata.error.networks == len(plain) + 2
    assert outside(target, sevens)[0] == 0


def test_a_size_that_is_in_no_row_is_extrapolated(
    rows: tuple[Measured, Measured, Measured],
) -> None:
    """Also where the one row that has it is left out, which is named with its resolution."""
    plain, sevens, proxyless = rows
    assert outside(nas.calibrate(plain), sevens)[1] == len(sevens)
    size = proxyless[0][0].resolution
    with pytest.warns(NasWarning, match=f"far off: .*{size}x{size} px: "):
        target = nas.calibrate([*plain, proxyless[0]])
    assert outside(target, sevens)[1] == len(sevens)
