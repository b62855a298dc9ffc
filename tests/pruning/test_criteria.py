"""Every registered criterion on a small trained-like network, and on cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.verified import initialised
from nas.pruning.criteria import CRITERIA, Scores, importances
from nas.pruning.subject import Subject


def small() -> Architecture:
    """A network with a depthwise, a gated, a residual, a concatenated and a shuffled layer."""
    return Architecture(
        12,
        (Block("conv", out=8, stride=2),),
        (
            (
                Block("inverted", out=8, hidden=16, se=4, act="relu"),
                Block("fire", out=16, squeeze=4),
            ),
            (Block("shuffle", out=16),),
        ),
        (Block("gap"), Block("linear", out=4)),
    )


def subject_of(arch: Architecture, seed: int = 0, images: int = 24) -> Subject:
    generator = torch.Generator().manual_seed(5)
    pixels = torch.randn(images, *arch.input_shape, generator=generator)
    labels = torch.arange(images) % arch.classes
    return Subject(arch, arch.graph(), initialised(arch, 3), pixels, labels, seed)


@pytest.fixture(scope="module")
def scored() -> dict[str, Scores]:
    subject = subject_of(small())
    return {name: importances(name, subject) for name in CRITERIA}


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_scores_are_finite_and_one_a_channel(name: str, scored: dict[str, Scores]) -> None:
    nodes = [n for n in small().graph().nodes if n.op in ("conv", "linear")]
    assert list(scored[name]) == [n.name for n in nodes]
    for node in nodes:
        values = scored[name][node.name]
        assert values.dtype == np.float64
        assert values.shape == (node.shape[0],)
        assert np.isfinite(values).all()
