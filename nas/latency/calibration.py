"""`calibrate`: a target for a device of which only a few whole-network latencies are known."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np

from nas.architecture import Architecture
from nas.errors import NasError
from nas.latency.device_model import NAMES, Sample, Vector, cross_validate, fit
from nas.latency.judge import error_of
from nas.latency.metadata import Metadata
from nas.latency.predictor import Predictor
from nas.latency.table import network_kernels
from nas.latency.target import Target, target_names


def calibrate(
    measured: Iterable[tuple[Architecture, float]],
    base: Target | None = None,
    *,
    name: str = "calibrated",
    device: str = "",
) -> Target:
    """A new target from the latencies in ms of a few networks and a device that resembles it.

    The base's coefficients, all scaled by one factor, are the prior; the networks move them as far
    as they are evidence. Without a `base` it is the known target whose predictions are closest to
    proportional to the latencies. The error is that of leaving each network out. Errors: `NasError`
    for fewer than three networks or a latency that is not positive.
    """
    samples = []
    for arch, latency_ms in measured:
        if not 0 < latency_ms < float("inf"):
            raise NasError(f"calibrate: latency of {arch.name!r} must be above 0, not {latency_ms}")
        samples.append(Sample(network_kernels(arch), float(latency_ms)))
    if len(samples) < 3:
        raise NasError(f"calibrate: {len(samples)} networks; at least 3 are needed")
    if base is None:
        base = min(_known(), key=lambda t: float(_ratios(t, samples).std()), default=None)
    if base is None:
        raise NasError("calibrate: there is no target to start from; give a base")
    value_bytes = base.metadata.value_bytes
    ratio = np.exp(np.median(_ratios(base, samples)))
    prior = scaled(base.predictor, float(ratio))
    errors = cross_validate(samples, [str(i) for i in range(len(samples))], value_bytes, prior)
    metadata = Metadata(
        name=name,
        device=device or name,
        provenance="calibrated",
        runtime=base.metadata.runtime,
        precision=base.metadata.precision,
        threads=base.metadata.threads,
        date=datetime.now(UTC).date().isoformat(),
        sources=[f"{len(samples)} latencies given to calibrate", f"prior: {base.name}"],
        error=error_of(errors, "leave one network out", rows=len(samples)),
        coefficients=fit(samples, value_bytes, prior),
    )
    return Target(metadata, Predictor(metadata.coefficients, {}, value_bytes))


def _known() -> list[Target]:
    """The known targets but those whose files are bad."""
    found = []
    for name in target_names():
        with suppress(NasError):
            found.append(Target.load(name))
    return found


def _ratios(target: Target, samples: list[Sample]) -> Vector:
    """log (measured / predicted) of each network."""
    predicted = [target.constant_ms + sum(map(target.kernel_ms, s.kernels)) for s in samples]
    return np.log([s.latency_ms / p for s, p in zip(samples, predicted, strict=True)])


def scaled(predictor: Predictor, slower: float) -> dict[str, float]:
    """The coefficients of a device that takes `slower` times as long for everything."""
    times = {"constant", "launch", "copy_launch"}
    return {
        name: predictor.coefficients[name] * (slower if name in times else 1 / slower)
        for name in NAMES
    }
