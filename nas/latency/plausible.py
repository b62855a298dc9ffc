"""Whether latencies can be those of a device at all: what is none is often another unit."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from nas.imported import Network, network_cost
from nas.support.errors import NasError

# Multiply-adds a second that no device reaches with one image at a time: of a network of up to
# 10^9, and in proportion of a larger one.
FASTEST = 3e12
# And those that every device reaches, beside a second for all else. The slowest that hold such a
# network are microcontrollers, which do some 10^6 with plain kernels and less only where floats are
# computed in software. Those that have the memory for LARGE networks compute them with vectors.
SLOWEST, SLOWEST_OF_LARGE, LARGE = 1e5, 2e7, 1e8
# The slowest application processor of ncnn's table does 2.4 * 10^8 of the published networks.
SLOWEST_KNOWN = 2e8
ALONE = 30.0  # a row may be mistyped if it is so many times as fast as the others mostly are
NAMED = 3
# Mean errors of networks left out that no true calibration has: of 77 settings of ncnn's table the
# largest are 52% with 12 networks, 49% with 6 and 77% with 4, and their ranks by multiply-adds and
# by latency correlate by -0.49 and more, but those of rates mostly by -0.8 and less.
MISFIT, MISFIT_OF_FEW, FEW = 0.6, 1.0, 6
FALLING, FEWEST = -0.5, 4
# What the values may be instead, the likeliest first: the column's name, the unit and its ms.
SUGGESTED = (
    ("latency_ms", "milliseconds", 1.0),
    ("latency_us", "microseconds", 1e-3),
    ("latency_s", "seconds", 1e3),
    ("fps", "frames a second", -1e3),
    ("latency_ns", "nanoseconds", 1e-6),
)


def image_ms(value: float, unit_ms: float, batch: int = 1) -> float:
    """The ms of an image, of a value above 0; `unit_ms` is that of one, negative for a rate."""
    return -unit_ms / value if unit_ms < 0 else unit_ms * value / batch


def check_plausible(
    measured: Sequence[tuple[Network, float]],
    column: str | None = None,
    unit_ms: float = 1.0,
    labels: Sequence[str] = (),
) -> None:
    """Checks latencies in ms; those of a table's `column` had a unit of `unit_ms`, and `labels` say
    where each is.

    Errors: `NasError` where one is faster than any device, or half are slower (of fewer `calibrate`
    says that they are far off), with the first unit that makes all plausible, or with those that
    are wrong where the others are much slower.
    """
    beyond = [_beyond(*one) for one in measured]
    wrong = [i for i, sign in enumerate(beyond) if sign > 0]
    power, which = 12, "more"
    if not wrong:
        wrong, power, which = [i for i, sign in enumerate(beyond) if sign < 0], 6, "fewer"
        if not wrong or 2 * len(wrong) < len(measured):
            return
    arch, ms = measured[wrong[0]]
    at = f"{labels[wrong[0]]}: " if labels else ""
    raise NasError(
        f"{at}{arch.name or 'a network'} in {ms:.3g} ms would be {_speed(arch, ms) / 10**power:.3g}"
        f" * 10^{power} multiply-adds a second, {which} than any device: "
        + (_alone(measured, wrong, labels) or _unit_hint(measured, column, unit_ms))
    )


def _alone(
    measured: Sequence[tuple[Network, float]], wrong: Sequence[int], labels: Sequence[str]
) -> str:
    """Which rows to correct, where the others show another speed."""
    speeds = [_speed(*one) for one in measured]
    if 2 * len(wrong) >= len(measured) or min(speeds[i] for i in wrong) < ALONE * median(speeds):
        return ""
    if not (others := wrong[1:]):
        return "the others are plausible, so correct this one or leave it out"
    named = [labels[i] if labels else measured[i][0].name or "a network" for i in others[:NAMED]]
    more = f" and {len(others) - NAMED} more" if others[NAMED:] else ""
    return f"so is {', '.join(named)}{more}, but not the others: correct these or leave them out"


def _unit_hint(
    measured: Sequence[tuple[Network, float]], column: str | None, unit_ms: float
) -> str:
    """The first unit that makes all plausible."""
    values = [(net, -unit_ms / ms if unit_ms < 0 else ms / unit_ms) for net, ms in measured]
    for name, unit, one in SUGGESTED:
        if not any(_beyond(net, image_ms(value, one)) for net, value in values):
            if column is None:
                return f"are the values {unit}? Milliseconds are wanted"
            return f"are the values of {column!r} {unit}? Then name the column {name}"
    return "in no unit are all rows plausible"


def slowness(measured: Sequence[tuple[Network, float]]) -> str:
    """What to tell of latencies in ms that only a microcontroller has, if half of the large
    networks have such; else ""."""
    speeds = [_speed(net, ms) for net, ms in measured if network_cost(net).macs > LARGE]
    if not speeds or median(speeds) >= SLOWEST_KNOWN:
        return ""
    return (
        f"{median(speeds) / 1e6:.3g} * 10^6 multiply-adds a second are fewer than any known device "
        "does but microcontrollers: are the values microseconds? Milliseconds are wanted (in a "
        "table for nas calibrate name the column latency_us)"
    )


def misfit(measured: Sequence[tuple[Network, float]], error: float) -> str:
    """What to tell of latencies in ms that fit no device, by the `error` of networks that were left
    out of the fit; else ""."""
    from scipy.stats import rankdata

    pairs = np.array([(network_cost(net).macs, ms) for net, ms in measured])
    ranks = np.asarray(rankdata(pairs, axis=0))
    known = len(measured) >= FEWEST and ranks.std(axis=0).all()
    if known and float(np.corrcoef(ranks.T)[0, 1]) < FALLING:
        return "latencies fall as multiply-adds grow, as rates do: if they are, name the column fps"
    if error <= (MISFIT if len(measured) >= FEW else MISFIT_OF_FEW):
        return ""
    return (
        f"the latencies fit no device, for networks left out are {error:.0%} off: are some rates, "
        "in other units, or of other settings (threads, precision, batch, input size)?"
    )


def _speed(network: Network, ms: float) -> float:
    """Multiply-adds a second."""
    return 1e3 * network_cost(network).macs / ms


def _beyond(network: Network, ms: float) -> int:
    """1 where a latency is faster than any device, -1 where it is slower, else 0."""
    macs = network_cost(network).macs
    if _speed(network, ms) > FASTEST * max(1.0, macs / 1e9):
        return 1
    return -1 if ms > 1e3 + 1e3 * macs / (SLOWEST_OF_LARGE if macs > LARGE else SLOWEST) else 0
