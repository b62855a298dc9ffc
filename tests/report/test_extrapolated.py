"""A latency that is extrapolated is called so wherever it is shown by itself."""

from types import SimpleNamespace
from typing import cast

import pytest

import nas
from nas.auto.card import predicted_line
from nas.auto.result import Result
from nas.cli.verify import _lines
from nas.latency.measuring.verify import Comparison
from nas.report.words import extrapolated
from nas.support.text import between


@pytest.fixture(scope="module")
def target() -> nas.Target:
    names = ("mobilenet_v1_025", "mobilenet_v1_050", "mobilenet_v1_100")
    archs = map(nas.reference, names)
    return nas.calibrate([(arch, 10 + nas.cost(arch).macs / 1e7) for arch in archs])


@pytest.mark.parametrize(("name", "said"), [("vgg16", True), ("mobilenet_v1_075", False)])
def test_the_card_and_verify_say_so(target: nas.Target, name: str, said: bool) -> None:
    arch = nas.reference(name)
    result = SimpleNamespace(target=target, trained=SimpleNamespace(arch=arch))
    lines = _lines(name, Comparison(target.predict(arch), 12.0, 0.01), target, 0.1)
    assert ("extrapolated: this latency is" in predicted_line(cast(Result, result))) == said
    assert any(line.startswith("extrapolated: this latency is") for line in lines) == said
    predicted = target.predict(arch)
    assert between(predicted.low_ms, predicted.high_ms) in predicted_line(cast(Result, result))


def test_one_is_one_and_two_are_two(target: nas.Target) -> None:
    far, near = (target.predict(nas.reference(name)) for name in ("vgg16", "mobilenet_v1_075"))
    for some, said in (
        ([far], "this latency is of a network unlike"),
        ([far, near], "1 of these latencies is of a network unlike"),
        ([far, near, far], "2 of these latencies are of networks unlike"),
    ):
        (line,) = extrapolated(target, some)
        assert said in line
