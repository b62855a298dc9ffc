"""`calibrate`: a target for a device of which only a few whole-network latencies are known."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np

from nas.architecture import Architecture
from nas.latency.lowering.rows import network_kernels
from nas.latency.metadata import Metadata
from nas.latency.model.basis import Additive
from nas.latency.model.error import error_of, far_off
from nas.latency.model.regression import KINDS, NONE, Vector, amounts, fit_weights, leave_out, named
from nas.latency.table import check_latency
from nas.latency.target import Target, target_names
from nas.references import reference, reference_names
from nas.support.errors import NasError, NasWarning
from nas.support.validation import validated

FEWEST = 3  # networks
FEW = 10  # fewer networks than that tell little of the error
RESEMBLES = 0.1  # how likely a known device must be a good start to be named as one


def calibrate(
    measured: Iterable[tuple[Architecture, float]],
    base: Target | None = None,
    *,
    name: str = "calibrated",
    device: str = "",
    runtime: str = "",
    precision: str = "",
) -> Target:
    """A new target from the latencies in ms of a few networks; 10 to 50 do.

    With a `base` the new device is a multiple of it plus work that it does not do; without one
    every known target is considered, and none of them, as far as the latencies make it likely. The
    error and the interval are those of leaving each network out; one that is far off is itself left
    out, with a `NasWarning` that names it. `runtime` and `precision` are
    labels, the base's unless given.

    Errors: `NasError` for fewer than three networks or a latency that is not positive.
    """
    networks, latency_ms = _checked(measured)
    work = amounts([network_kernels(arch) for arch in networks])
    known = {t.name: weights_of(t, networks) for t in ([base] if base else known_targets())}
    bases = known if base else {NONE: np.zeros(len(KINDS)), **known}
    fit = fit_weights(work, latency_ms, bases)
    logs = leave_out(work, latency_ms, [str(i) for i in range(len(networks))], bases)
    off = far_off(logs)
    if off:
        said = [
            f"{networks[i].name or networks[i].hash[:12]} ({latency_ms[i]:g} ms is "
            f"{np.exp(-logs[i]):.2g} times what the others make likely)"
            for i in off
        ]
        warnings.warn(f"left out as far off: {', '.join(said)}", NasWarning, stacklevel=2)
        kept = np.setdiff1d(np.arange(len(networks)), off)
        rest = [(networks[i], float(latency_ms[i])) for i in kept]
        labels = {"device": device, "runtime": runtime, "precision": precision}
        return calibrate(rest, base, name=name, **labels)
    weights, notes = fit.weights, ""
    if known:
        donor = min(
            known, key=lambda name: float(np.std(np.log(latency_ms / (work @ known[name]))))
        )
        weights, filled = filled_in(weights, work, latency_ms, known[donor])
        if filled:
            notes = f"Not in any of the networks, so scaled from {donor}: {', '.join(filled)}."
    resembled = [k for k in known if fit.belief[k] >= RESEMBLES]
    resembled.sort(key=lambda k: -fit.belief[k])
    facts = {
        "name": name,
        "device": device or name,
        "provenance": "calibrated",
        "runtime": runtime or (base.metadata.runtime if base else "not stated"),
        "precision": precision or (base.metadata.precision if base else "fp32"),
        "threads": base.metadata.threads if base else None,
        "date": datetime.now(UTC).date().isoformat(),
        "sources": [
            f"{len(networks)} latencies given to calibrate",
            f"prior: {', '.join(resembled) or 'no known device'}",
        ],
        "notes": notes,
        "error": error_of(logs, "leave one network out", rows=len(networks)),
        "weights": named(weights),
    }
    metadata = validated(Metadata, facts, "calibrate")
    return Target(metadata, Additive(metadata.weights))


def _checked(measured: Iterable[tuple[Architecture, float]]) -> tuple[list[Architecture], Vector]:
    """The networks and their latencies. Errors: see `calibrate`."""
    networks, latencies = [], []
    for arch, ms in measured:
        try:
            check_latency(ms)
        except NasError as error:
            raise NasError(f"calibrate: {arch.name!r}: {error}") from None
        networks.append(arch)
        latencies.append(float(ms))
    if len(networks) < FEWEST:
        raise NasError(f"calibrate: {len(networks)} networks; at least {FEWEST} are needed")
    return networks, np.array(latencies)


def weights_of(target: Target, networks: Sequence[Architecture]) -> Vector:
    """A target's weights: its own if it is calibrated, else those that come closest to what it
    predicts for the networks and for the published ones."""
    own = target.metadata.weights
    if own:
        return np.array([own.get(kind, 0.0) for kind in KINDS])
    shown = [*networks, *map(reference, reference_names())]
    predicted = np.array([target.predict(arch).ms for arch in shown])
    return fit_weights(amounts([network_kernels(arch) for arch in shown]), predicted).weights


def filled_in(
    weights: Vector, work: Vector, latency_ms: Vector, donor: Vector
) -> tuple[Vector, list[str]]:
    """The weights, with those of work that no network has taken from the `donor`'s, scaled by what
    the networks take longer than there; and the kinds of work that were."""
    unseen = (work.sum(axis=0) == 0) & (donor > 0)
    slower = float(np.median(latency_ms / (work @ donor)))
    filled = [kind for kind, is_filled in zip(KINDS, unseen, strict=True) if is_filled]
    return np.where(unseen, slower * donor, weights), filled


def known_targets() -> list[Target]:
    """The known targets but those whose files are bad."""
    found = []
    for name in target_names():
        with suppress(NasError):
            found.append(Target.load(name))
    return found
