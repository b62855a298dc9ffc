"""From architectures back to points of a space: every published network is one of its family's."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import nas
from nas.references import reference_names
from nas.space import SearchSpace
from nas.space.files import space_names
from nas.support.errors import NasError

# The first space whose pattern fits is that of the family.
FAMILIES = {
    r"squeezenext.*_imgclsmob": "squeeze:biases",
    r"squeezene.*": "squeeze",
    r"ghostnet.*": "ghost",
    r"shufflenet_v1.*": "shuffle:v1",
    r"shufflenet_v2.*": "shuffle",
    r"mobilenet_v[123].*": "mobilenet",
}
MEMBERS = {
    name: next((s for pattern, s in FAMILIES.items() if re.fullmatch(pattern, name)), None)
    for name in reference_names()
}
POINTS = [(space, name) for name, space in MEMBERS.items() if space] + [
    ("mobilenetv2", name) for name in MEMBERS if name.startswith("mobilenet_v2")
]


def test_only_networks_outside_the_review_have_no_space_of_their_family() -> None:
    outside = (
        "mnasnet", "proxylessnas", "efficientnet", "regnet", "resnet", "densenet", "googlenet",
        "alexnet", "vgg", "mobilenet_v4", "lcnet", "repvgg", "mobileone", "mlperf_tiny",
    )  # fmt: skip
    assert all(name.startswith(outside) for name, space in MEMBERS.items() if space is None)


@pytest.mark.parametrize(("space", "name"), POINTS)
def test_every_published_network_is_a_point_of_its_familys_space(space: str, name: str) -> None:
    loaded, network = SearchSpace.load(space), nas.reference(name)
    params = loaded.encode(network)
    assert set(params) == set(loaded.options)
    assert loaded.decode(params) == network


@pytest.mark.parametrize("name", space_names())
def test_samples_encode_to_what_decodes_to_them(name: str) -> None:
    space = SearchSpace.load(name)
    for seed in range(5):
        arch = space.sample(seed)
        assert space.decode(space.encode(arch)) == arch


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mobilenet_v2_100", {"resolution": 231}, "no resolution 231"),
        ("mobilenet_v2_100", {"classes": 7}, "cannot express the head"),
        ("ghostnet_100", {}, "cannot express"),
    ],
)
def test_what_a_space_cannot_express_is_named(name: str, options: Any, said: str) -> None:
    with pytest.raises(NasError, match=said):
        SearchSpace.load("mobilenetv2").encode(nas.reference(name, **options))


def test_stages_that_do_not_match_are_named() -> None:
    space, network = SearchSpace.load("mobilenetv2"), nas.reference("mobilenet_v2_100")
    with pytest.raises(NasError, match="needs a stage 6"):
        space.encode(replace(network, stages=network.stages[:-1]))
    wide = (*network.stages[:3], (nas.blocks.Block("inverted", out=64, hidden=7),))
    with pytest.raises(NasError, match=r"cannot express stage 3: .*hidden=7"):
        space.encode(replace(network, stages=wide))


@pytest.mark.parametrize(
    ("name", "variant"),
    [("fbnet", "imagenet"), ("fbnet:imagenet", "imagenet"), ("fbnet:cifar100", "cifar100")],
)
def test_fbnets_choices_are_points_of_its_space(name: str, variant: str) -> None:
    space, rng = SearchSpace.load(name), np.random.default_rng(0)
    for _ in range(10):
        network = nas.fbnet(rng.integers(0, 9, 22).tolist(), variant)
        assert space.decode(space.encode(network)) == network
