"""The contract of a pruning criterion."""

from __future__ import annotations

import numpy as np
import torch

from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.verified import initialised
from nas.pruning.criteria import CRITERIA, Scores, importances
from nas.pruning.subject import Subject
from nas.testing.claims import claim, faults
from nas.testing.proxies import snapshot

# Depthwise, gated, residual, concatenated, split and shuffled layers.
NETWORK = Architecture(
    12,
    (Block("conv", out=8, stride=2),),
    (
        (Block("inverted", out=8, hidden=16, se=4), Block("fire", out=16, squeeze=4)),
        (Block("shuffle", out=16),),
    ),
    (Block("gap"), Block("linear", out=4)),
)
IMAGES = 24


def sample_subject(arch: Architecture = NETWORK, seed: int = 0, images: int = IMAGES) -> Subject:
    """A subject to try a criterion on: random weights and images, scaled as trained ones are."""
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(images, *arch.input_shape, generator=generator)
    labels = torch.arange(images) % arch.classes
    return Subject(arch, arch.graph(), initialised(arch, 3), pixels, labels, seed)


def check_criterion(name: str) -> None:
    """Checks a registered criterion on a small network.

    It gives every convolution and linear layer one finite number for each output channel, which the
    subject and its seed determine, and it leaves the network, the images and torch's random numbers
    as they were. Errors: `AssertionError`; `NasError` for a name that is not registered.
    """
    one, other = sample_subject(), sample_subject()
    before, images = snapshot(one.module), one.images.clone()
    numbers = torch.get_rng_state()
    first = _scored(name, one)
    claim(
        bool(torch.equal(torch.get_rng_state(), numbers)),
        f"criterion '{name}' draws from torch's own generator; use subject.generator()",
    )
    claim(snapshot(one.module) == before, f"criterion '{name}' leaves the network changed")
    claim(bool(torch.equal(one.images, images)), f"criterion '{name}' changes the images")
    again = _scored(name, other)
    same = all(np.array_equal(first[node], again[node]) for node in first)
    claim(same, f"criterion '{name}' gives equal networks different scores")


def _scored(name: str, one: Subject) -> Scores:
    entry = CRITERIA[name]
    with faults():
        return importances(entry.name, one)
