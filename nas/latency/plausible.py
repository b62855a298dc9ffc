"""Whether latencies can be those of a device at all: what is none is often another unit."""

from __future__ import annotations

from collections.abc import Sequence

from nas.imported import Network, network_cost
from nas.support.errors import NasError

# Multiply-adds a second that no device reaches with one image at a time: of a network of up to
# 10^9, and in proportion of a larger one.
FASTEST = 3e12
# And those that every device reaches, beside a second for all else. The slowest that hold such a
# network are microcontrollers, which do some 10^6 with plain kernels and less only where floats are
# computed in software. What does LARGE networks has the memory of an application processor: the
# slowest of the shipped targets does 10^8.
SLOWEST, SLOWEST_OF_LARGE, LARGE = 1e5, 1e7, 1e8
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
    where: str,
    measured: Sequence[tuple[Network, float]],
    column: str | None = None,
    unit_ms: float = 1.0,
) -> None:
    """Checks latencies in ms; those of a table's `column` had a unit of `unit_ms`.

    Errors: `NasError` where one is faster than any device, or half are slower (of fewer `calibrate`
    says that they are far off), with the first unit that makes all plausible.
    """
    fast = [one for one in measured if _beyond(*one) > 0]
    slow = [one for one in measured if _beyond(*one) < 0]
    if not fast and 2 * len(slow) < len(measured):
        return
    arch, ms = (fast or slow)[0]
    values = [(net, -unit_ms / ms if unit_ms < 0 else ms / unit_ms) for net, ms in measured]
    hint = "in no unit are all rows plausible"
    for name, unit, one in SUGGESTED:
        if not any(_beyond(net, image_ms(value, one)) for net, value in values):
            hint = f"are the values {unit}? Milliseconds are wanted"
            if column is not None:
                hint = f"are the values of {column!r} {unit}? Then name the column {name}"
            break
    speed, power = network_cost(arch).macs / ms * 1e3, 12 if fast else 6
    raise NasError(
        f"{where}: {arch.name or 'a network'} in {ms:.3g} ms would be {speed / 10**power:.3g} * "
        f"10^{power} multiply-adds a second, {'more' if fast else 'fewer'} than any device: {hint}"
    )


def _beyond(network: Network, ms: float) -> int:
    """1 where a latency is faster than any device, -1 where it is slower, else 0."""
    macs = network_cost(network).macs
    if 1e3 * macs / ms > FASTEST * max(1.0, macs / 1e9):
        return 1
    return -1 if ms > 1e3 + 1e3 * macs / (SLOWEST_OF_LARGE if macs > LARGE else SLOWEST) else 0
