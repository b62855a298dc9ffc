"""What is told of a network adds up."""

import pytest

import nas
from nas.describe import describe
from nas.latency import Target, target_names


@pytest.mark.parametrize("name", [name for name in target_names() if "/" not in name])
def test_the_constant_and_the_layers_add_up_to_the_latency(name: str) -> None:
    facts = describe(nas.reference("mobilenet_v2_100"), Target.load(name))
    layers = [layer["latency_ms"] for layer in facts["layers"]]
    assert facts["constant_ms"] >= 0
    assert facts["constant_ms"] + sum(layers) == pytest.approx(facts["latency_ms"])
