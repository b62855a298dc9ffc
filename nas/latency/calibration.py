"""`calibrate`: a target for a device of which only a few whole-network latencies are known."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import log
from statistics import median
from typing import NamedTuple

import numpy as np

from nas.imported import Network, network_pairs
from nas.latency.lowering.kernels import Kernel
from nas.latency.lowering.rows import network_kernels
from nas.latency.metadata import UNSTATED, Metadata, check_name
from nas.latency.model.agreeing import agreeing
from nas.latency.model.basis import KINDS, Vector
from nas.latency.model.calibrated import ALONE, Calibrated
from nas.latency.model.design import Design
from nas.latency.model.error import LeftOut, error_of, far_off, mape, suspects, widening_of
from nas.latency.model.posterior import Posterior, fit
from nas.latency.model.prices import fit_prices
from nas.latency.model.prior import Prior, shipped_prior
from nas.latency.plausible import check_plausible, misfit, slowness
from nas.latency.table import check_latency
from nas.latency.target import Target
from nas.references import reference, reference_names
from nas.support.errors import NasError, NasWarning, check_type
from nas.support.validation import validated

GIVEN = "latencies given to calibrate"
FEWEST = 3  # networks
FEW = 10  # fewer networks than that tell little of the error
# A latency may be wrong that is so far off, as a factor, where networks are fewer than `FEW` and
# where they are not, and by so many of the standard deviations that are predicted without it; or
# that is farther off than any should be.
ODD_OF_FEW, ODD, DEVIATIONS, NEVER = 4.0, 1.35, 4.0, 30.0
EACH, FOLDS = 20, 10  # up to so many networks each is left out by itself, more in so many folds
SPREADS = (1.0, 4.0)  # of the prior's covariance: devices like those known, and others
CLOSE = (0.02, 0.1, 0.4, 1.0)  # how far from its base a device may be, in prior deviations
OPERATIONS = (  # what tells how well the price of one is known
    *("conv3_macs", "convk_macs", "pointwise_macs", "grouped_macs", "depthwise3_macs"),
    *("depthwisek_macs", "linear_macs", "gate_weights", "pool_traffic", "multiply_traffic"),
    *("activate_traffic", "copy_traffic"),
)
UNKNOWN = 0.5  # of a price's prior deviation: it is hardly determined if more than that is left


class Judgement(NamedTuple):
    """The posterior of all networks under the likeliest of several priors, and what fits without
    some networks say of those, all chosen anew."""

    posterior: Posterior
    prior: Prior
    left_out: LeftOut


def calibrate(
    measured: Iterable[tuple[Network, float]],
    base: Target | None = None,
    *,
    name: str = "calibrated",
    device: str = "",
    runtime: str = "",
    precision: str = "",
    throughput: bool = False,
) -> Target:
    """A new target from the latencies in ms of 3 or more networks, best 10 to 50.

    What devices have in common is the prior; with a `base`, the new device is that one times a
    factor, as far as the latencies make it likely. The error is that of leaving each network out
    (of more than 20, a tenth of them at a time), and so is what the predicted uncertainty of every
    prediction is multiplied by to give its interval. Several latencies of a network are runs, of
    which the median counts. A network that is far off is left out, and one that is odd kept, with a
    `NasWarning` that names it; another says where all fit no device, or only one that is slower
    than those known. `runtime` and `precision` are labels, the base's unless given;
    `throughput` says that the latencies are times per image of batches.

    Errors: `NasError` for fewer than three networks, a latency that is not positive or in another
    unit, a name that is none of a target, a base that was calibrated itself but is not shipped.
    """
    check_name(name)
    if base is not None:
        check_type(base, "base", "a target, as Target.load(name) gives", Target)
    networks, kernels, latency_ms = _checked(measured, throughput)
    priors = usual_priors() if base is None else priors_around(base)
    judgement, off = without_wrong(kernels, latency_ms, priors)
    kept = [i for i in range(len(networks)) if i not in off]
    odd = {kept[i]: error for i, error in odd_ones(judgement.left_out).items()}
    for logs, words in (
        (off, "left out as far off: "),
        (odd, "kept, but perhaps wrong, so better measured again: "),
    ):
        named = ", ".join(
            f"{networks[i].name or networks[i].hash[:12]} ({_pixels(networks[i])}: "
            f"{latency_ms[i]:g} ms is {np.exp(-one):.2g} times what the others make likely)"
            for i, one in logs.items()
        )
        if named:
            warnings.warn(words + named, NasWarning, stacklevel=2)
    pairs = list(zip(networks, map(float, latency_ms), strict=True))
    every = judgement.left_out.logs
    usual = float(np.median(abs(np.expm1(every)))) if odd else mape(every)  # odd ones are named
    doubts = [misfit(pairs, usual), "" if throughput else slowness(pairs)]
    for doubt in filter(None, doubts):
        warnings.warn(doubt, NasWarning, stacklevel=2)
    known = base.metadata if base else None
    facts = {
        "name": name,
        "device": device or name,
        "runtime": runtime or (known.runtime if known else UNSTATED),
        "precision": precision or (known.precision if known else "fp32"),
        "threads": known.threads if known else None,
        "throughput": throughput,
        "sources": [
            f"{len(judgement.left_out.logs)} {GIVEN}",
            f"prior: {base.name if base else 'what devices have in common'}",
        ],
    }
    return calibrated_target(judgement, facts)


def _pixels(network: Network) -> str:
    """The size of its images: a network may be given at several."""
    return "x".join(map(str, network.input_shape[1:])) + " px"


def calibrated_target(judgement: Judgement, facts: Mapping[str, object]) -> Target:
    """The target of a device that was `judged`, with these metadata.

    Errors: `NasError` for bad metadata.
    """
    posterior, prior, left_out = judgement
    count = len(left_out.logs)
    method = "leave one network out" if count <= EACH else f"{FOLDS}-fold over networks"
    predictor = Calibrated(posterior, prior, widening_of(*left_out))
    error = error_of(left_out.logs, method, rows=count)
    usual = round(float(np.exp(predictor.widening * np.median(left_out.deviations))), 4)
    entries = {
        "provenance": "calibrated",
        "date": datetime.now(UTC).date().isoformat(),
        **facts,
        "notes": f"{facts.get('notes', '')} {undetermined(posterior, prior)}".strip(),
        "error": error.model_copy(update={"interval_factor": usual}),
        "weights": predictor.weights,
        "fit": predictor.to_json(),
    }
    metadata = validated(Metadata, entries, "calibrate")
    return Target(metadata, Calibrated.from_json(metadata.fit, metadata.weights))


def judged(
    networks: Sequence[Sequence[Kernel]], latency_ms: Vector, priors: Sequence[Prior]
) -> Judgement:
    """What the latencies of networks, each as its kernels, say of their device."""
    design = Design.of(networks)
    count = len(networks)
    folds = count if count <= EACH else FOLDS
    order = np.random.default_rng(0).permutation(count)
    logs, deviations = np.empty(count), np.empty(count)
    for fold in range(folds):
        out = order[fold::folds]
        kept = np.setdiff1d(order, out)
        without = Calibrated(*_likeliest(design.of_networks(kept), latency_ms[kept], priors), 1.0)
        for i in out:
            logs[i], deviations[i] = _off_by(without, networks[i], latency_ms[i])
    return Judgement(*_likeliest(design, latency_ms, priors), LeftOut(logs, deviations))


def without_wrong(
    networks: Sequence[Sequence[Kernel]], latency_ms: Vector, priors: Sequence[Prior]
) -> tuple[Judgement, dict[int, float]]:
    """What the latencies say without those that are far off, and these with their log errors.

    Several suspects are judged again, by a fit without them all: a latency that is wrong makes
    those of networks like its own look so. Those stay that agree on a kernel which none but they
    have: a runtime may do it slowly, and only they show that.
    """
    found = judged(networks, latency_ms, priors)
    logs = found.left_out.logs
    suspected = suspects(logs)
    if len(suspected) > 1:
        others = np.setdiff1d(np.arange(len(logs)), suspected)
        design = Design.of([networks[i] for i in others])
        without = Calibrated(*_likeliest(design, latency_ms[others], priors), 1.0)
        logs = logs.copy()
        logs[suspected] = [_off_by(without, networks[i], latency_ms[i])[0] for i in suspected]
    stay = agreeing(networks, logs, suspected)
    off = {i: float(logs[i]) for i in far_off(logs) if i in suspected and i not in stay}
    if not off:
        return found, off
    kept = [i for i in range(len(logs)) if i not in off]
    return judged([networks[i] for i in kept], latency_ms[kept], priors), off


def odd_ones(left_out: LeftOut) -> dict[int, float]:
    """The latencies that may be wrong, with their log errors. They are kept: on devices that the
    prior does not know some that are right look so too, and without these intervals are too narrow.
    """
    logs, deviations = left_out
    far = log(ODD if len(logs) >= FEW else ODD_OF_FEW)
    odd = np.flatnonzero(abs(logs) > np.clip(DEVIATIONS * deviations, far, log(NEVER)))
    return {int(i): float(logs[i]) for i in odd}


def _off_by(found: Calibrated, kernels: Sequence[Kernel], latency_ms: float) -> tuple[float, float]:
    """Log (predicted / measured) of the network of these kernels, and its predicted deviation."""
    trace = found.trace(kernels)
    return log((found.constant_ms + sum(trace.ms)) / latency_ms), found.deviation(trace)


def _likeliest(
    design: Design, latency_ms: Vector, priors: Sequence[Prior]
) -> tuple[Posterior, Prior]:
    fits = [(fit(design, latency_ms, prior), prior) for prior in priors]
    return max(fits, key=lambda pair: pair[0].evidence)


def undetermined(posterior: Posterior, prior: Prior) -> str:
    """The kinds of work whose price the latencies hardly determine, as a note; empty if none of
    those is a whole operation or activation."""
    size = len(KINDS)
    prices = posterior.reduction[:, :size]
    left = 1 - (prices**2).sum(axis=0) / np.diag(prior.covariance)[:size]
    hardly = [kind for kind in OPERATIONS if left[KINDS.index(kind)] > 1 - UNKNOWN**2]
    hardly += [kind for kind in ALONE if not posterior.shares[KINDS.index(kind)]]
    if not hardly:
        return ""
    names = ", ".join(kind.rsplit("_", 1)[0].replace("smooth", "silu") for kind in hardly)
    return f"Hardly determined by the networks, so from what devices have in common: {names}."


def usual_priors() -> list[Prior]:
    """The priors of a device that is like those known, and of one that is less so."""
    return [shipped_prior().narrowed(spread) for spread in SPREADS]


def priors_around(base: Target) -> list[Prior]:
    """The priors of a device that is a multiple of `base`, more or less.

    Errors: `NasError` for a base whose own latencies may be those that are given.
    """
    if any(GIVEN in source for source in base.metadata.sources):
        raise NasError(
            f"base {base.name!r} was itself calibrated on latencies that were given, perhaps "
            "these, so the error would look too good; name a shipped or a measured target"
        )
    prior = shipped_prior()
    weights = base.metadata.weights or _prices_of(base)
    logs = np.log([weights[kind] for kind in KINDS])
    mean = np.concatenate([logs - logs.mean(), np.zeros(prior.strengths)])
    if isinstance(base.predictor, Calibrated):
        mean[len(KINDS) :] = base.predictor.posterior.strengths
    return [prior._replace(mean=mean).narrowed(close**2) for close in CLOSE]


def _prices_of(target: Target) -> dict[str, float]:
    """The prices that come closest to what a measured target says of the published networks."""
    shown = list(map(reference, reference_names()))
    predicted = [latency.ms for latency in target.predict_all(shown)]
    return fit_prices([network_kernels(arch) for arch in shown], predicted)


def _checked(
    measured: Iterable[tuple[Network, float]], throughput: bool
) -> tuple[list[Network], list[tuple[Kernel, ...]], Vector]:
    """Every network once, with its kernels and the median of its latencies: what makes the same
    kernels, as a published network and its ONNX file do, is one. Errors: see `calibrate`."""
    networks: dict[str, Network] = {}
    runs: dict[str, list[float]] = {}
    for arch, ms in network_pairs(measured, "calibrate"):
        try:
            check_latency(ms)
        except NasError as error:
            raise NasError(f"calibrate: {arch.name!r}: {error}") from None
        networks.setdefault(arch.hash, arch)
        runs.setdefault(arch.hash, []).append(float(ms))
    # In one order, whatever that of the rows is, for sums of floats depend on it.
    kernels = {key: network_kernels(networks[key]) for key in sorted(networks)}
    twins: dict[frozenset[tuple[Kernel, int]], list[str]] = {}
    for key, executed in kernels.items():
        twins.setdefault(frozenset(Counter(executed).items()), []).append(key)
    if len(twins) < FEWEST:
        raise NasError(f"calibrate: {len(twins)} networks; at least {FEWEST} are needed")
    latencies = [median([ms for key in keys for ms in runs[key]]) for keys in twins.values()]
    first = [keys[0] for keys in twins.values()]
    found = [networks[key] for key in first]
    if not throughput:  # what no device does with one image may be done with batches
        try:
            check_plausible(list(zip(found, latencies, strict=True)))
        except NasError as error:
            raise NasError(f"calibrate: {error}") from None
    return found, [kernels[key] for key in first], np.array(latencies)
