"""A latency that is extrapolated is called so wherever it is shown by itself."""

from types import SimpleNamespace
from typing import cast

import pytest

import nas
from nas.auto.card import predicted_line
from nas.auto.result import Result
from nas.cli.verify import _lines
from nas.latency.measuring.verify import Comparison


@pytest.fixture(scope="module")
def target() -> nas.Target:
    names = ("mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v1_100")
    archs = map(nas.reference, names)
    return nas.calibrate([(arch, 10 + nas.cost(arch).macs / 1e7) for arch in archs])


@pytest.mark.parametrize(("name", "said"), [("vgg16", True), ("mobilenet_v1_075", False)])
def test_the_card_and_verify_say_so(target: nas.Target, name: str, said: bool) -> None:
    arch = nas.reference(name)
    result = SimpleNamespace(target=target, trained=SimpleNamespace(arch=arch))
    lines = _lines(name, Comparison(target.predict(arch), 12.0, 0.01), target)
    assert ("extrapolated: this latency is" in predicted_line(cast(Result, result))) == said
    assert any(line.startswith("extrapolated: this latency is") for line in lines) == said
