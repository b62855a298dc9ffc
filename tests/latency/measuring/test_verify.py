"""Predictions against this machine: what is compared, and what cannot be."""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest

import nas
from nas.latency import Prediction, Target
from nas.latency.measuring.plan import anchors
from nas.latency.measuring.remote import Remote
from nas.latency.measuring.verify import Comparison, Timed, drift, verify
from nas.space import SearchSpace

NETWORKS = [SearchSpace.load("small").sample(seed) for seed in range(3)]

Change = Callable[..., Target]
Server = tuple[str, list[str], Path]

# What ssh connects through. It ends, like a link that is lost, once it has passed on 40,000 bytes
# and there is a folder that was not there before.
RELAY = """
import os, socket, sys, threading, time

link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def back():
    while data := link.recv(1 << 16):
        os.write(1, data)
    os._exit(0)


threading.Thread(target=back, daemon=True).start()
left, before = 40000, os.listdir(sys.argv[2])
while left > 0 and (data := os.read(0, 1 << 12)):
    link.sendall(data)
    left -= len(data)
for _ in range(1000):
    if left <= 0 and os.listdir(sys.argv[2]) == before:
        time.sleep(0.01)
"""


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


def _timed_there(
    server: Server, options: list[str] | None = None, say: Callable[[str], None] = lambda _: None
) -> Timed:
    """The reference networks alone, on the machine of the server."""
    host, usual, _ = server
    remote = Remote(host, tuple(options or usual), sys.executable)
    target = Target.load("jetson")
    return verify([], target, remote=remote, minutes=0.001, visits=1, say=say)


def _await_folders(home: Path, expected: list[Path]) -> None:
    """Waits until a folder that is removed there is gone: nobody waits for its removal here."""
    for _ in range(200):
        if sorted(home.iterdir()) == expected:
            return
        time.sleep(0.05)
    raise AssertionError(sorted(home.iterdir()))


def test_two_at_once_do_not_disturb_each_other(server: Server) -> None:
    before = sorted(server[2].iterdir())  # other tests' own
    others: list[Timed] = []

    def say(line: str) -> None:
        if not others:
            others.append(_timed_there(server))

    found = _timed_there(server, say=say)
    assert found.device == others[0].device
    assert sorted(server[2].iterdir()) == before


def test_a_link_that_is_lost_while_copying_leaves_nothing_there(
    server: Server, tmp_path: Path
) -> None:
    host, options, home = server
    before = sorted(home.iterdir())
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    port = options[0].removeprefix("Port=")
    through = [*options, f"ProxyCommand={sys.executable} {relay} {port} {home}"]
    with pytest.raises(nas.NasError, match=host):
        _timed_there(server, through)
    _await_folders(home, before)


def test_a_host_that_is_lost_while_timing_removes_the_folder_itself(
    server: Server, tmp_path: Path
) -> None:
    _, options, home = server
    before = sorted(home.iterdir())
    key = tmp_path / "key"
    shutil.copy(options[1].removeprefix("IdentityFile="), key)

    def say(line: str) -> None:
        assert len(list(home.iterdir())) > len(before)
        key.unlink()  # nobody comes in any more, to remove the folder
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _timed_there(server, [options[0], f"IdentityFile={key}", *options[2:]], say)
    _await_folders(home, before)
