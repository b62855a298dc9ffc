"""Trained weights that a training begins with (transfer learning)."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from pathlib import Path

from nas.architecture import Architecture
from nas.formats.weights import EPS, load_weights
from nas.support.files import read_bytes
from nas.training.run import Start


def start_from(path: Path, arch: Architecture, seed: int, norm_eps: float | None = None) -> Start:
    """The start from a file's weights; where its classes are others the classifier is fresh, drawn
    by `seed`. Errors: those of `load_weights`, when the training begins, and `NasError` at once for
    a file that cannot be read."""
    content = read_bytes(path, str(path), most=None)
    eps = EPS if norm_eps is None else norm_eps
    identity = f"{sha256(content).hexdigest()} {eps:g}"
    load = partial(load_weights, norm_eps=eps, new_classifier=True, seed=seed)
    return Start(identity, partial(load, arch, path))
