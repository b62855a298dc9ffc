"""Predictions against this machine: what is compared, and what cannot be."""

from collections.abc import Callable

import onnxruntime
import pytest

import nas
from nas.latency import Prediction, Target
from nas.latency.measuring.plan import anchors
from nas.latency.measuring.verify import Comparison, drift, verify
from nas.space import SearchSpace

NETWORKS = [SearchSpace.load("small").sample(seed) for seed in range(3)]

Change = Callable[..., Target]


@pytest.fixture
def here() -> Change:
    """A target that can be run on any machine: Jetson's, said to be of onnxruntime."""
    base = Target.load("jetson")

    def make(**changes: object) -> Target:
        facts = {"runtime": "onnxruntime 1.0", "precision": "fp32", "provider": None, **changes}
        return Target(base.metadata.model_copy(update=facts), base.predictor)

    return make


def test_predictions_are_compared_with_what_was_measured(here: Change) -> None:
    target = here()
    found, notes, longer, device, how = verify([*NETWORKS, NETWORKS[0]], target, visits=2)
    assert found[0] == found[3]
    one = found[0]
    assert one is not None
    assert one.without(longer) == pytest.approx(
        one.predicted.ms * (1 + longer) / one.measured_ms - 1
    )
    for arch, one in zip(NETWORKS, found, strict=False):
        assert one is not None
        assert one.predicted == target.predict(arch)
        assert one.measured_ms > 0
        assert one.error == pytest.approx(one.predicted.ms / one.measured_ms - 1)
    assert f"{target.name} was measured on {target.metadata.device}, this is {device}" in notes
    assert how == f"through onnxruntime {onnxruntime.__version__}, fp32, 1 thread(s)"


def test_the_drift_is_that_of_most_reference_networks(here: Change) -> None:
    target = here()
    usual = {each.spec: target.predict(each.architecture()).ms for each in anchors()}
    assert len(usual) >= 5
    for factor in (0.9, 1.0, 1.25):
        timed = {spec: (factor * ms, 0.0) for spec, ms in usual.items()}
        timed[next(iter(timed))] = (99.0, 0.0)  # one that was disturbed
        timed["another network"] = (1.0, 0.0)
        assert drift(timed, target) == pytest.approx(factor - 1)


@pytest.mark.parametrize(
    ("measured", "error", "inside"),
    [(1.0, 0.25, True), (1.25, 0.0, True), (1.6, -0.21875, False), (0.5, 1.5, False)],
)
def test_an_error_is_relative_to_the_measured_latency(
    measured: float, error: float, inside: bool
) -> None:
    one = Comparison(Prediction(1.25, 1.0, 1.5), measured, 0.01)
    assert one.error == pytest.approx(error)
    assert one.inside is inside


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "TensorRT", "precision": "fp16"}, "TensorRT in fp16, which cannot be run"),
        ({"precision": "fp16"}, "in fp16, which cannot be run here"),
        ({"provider": "QNNExecutionProvider"}, "QNNExecutionProvider' is not available"),
    ],
)
def test_what_cannot_run_here_is_refused(
    here: Change, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(nas.NasError, match=message) as caught:
        verify(NETWORKS[:1], here(**changes))
    assert "\n" not in str(caught.value)
