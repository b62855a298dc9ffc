"""Property tests draw the same examples in every run; torch uses one core; commands run here."""

import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from commands import Run
from hypothesis import settings
from ssh_server import server

__all__ = ["server"]

os.environ.setdefault("OMP_NUM_THREADS", "1")
NOTHING = TemporaryDirectory()  # of the user's own: tests over all targets are collected by it
os.environ["NAS_CONFIG"] = NOTHING.name
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it for its jobs

# The one place for how many examples: `pytest --hypothesis-profile thorough` looks longer.
settings.register_profile("nas", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("thorough", settings.get_profile("nas"), max_examples=300)
settings.load_profile("nas")


@pytest.fixture(autouse=True)
def configuration(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The user's configuration, for each test an empty folder of its own."""
    folder = tmp_path_factory.mktemp("configuration")
    monkeypatch.setenv("NAS_CONFIG", str(folder))
    return folder


@pytest.fixture
def few_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the networks that are verified three of five reference networks are timed, small ones:
    the others take most of the time."""
    from nas.latency.measuring.plan import ANCHORS

    for large in ("mobilenet_v2_100", "ghostnet_100"):
        monkeypatch.delitem(ANCHORS, large)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command in an empty folder: (exit code, standard output, standard error)."""
    from nas.cli.main import main

    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nas", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call
