"""Claims, by which several drivers share a study: each has a number, one at a time stores.

A lock is the operating system's or the database server's, which let go of it when the driver is
gone, however it went.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from glob import escape
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from nas.study.storage.lost import LockLost, Lost
from nas.support.files import file_name, lock

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass
class Claim:
    """A driver's `number`, the lowest that none has who drives the study, and its way to be alone:
    within `exclusive()` no other stores anything. `others()` says whether any other drives it now,
    `forget()` removes the files that claims have left, of a study that is gone."""

    number: int
    exclusive: Callable[[], AbstractContextManager[object]]
    others: Callable[[], bool] = lambda: False
    forget: Callable[[], None] = lambda: None


class Driven(NamedTuple):
    """A driver's claim on a study. `alone` does something while no other driver stores anything;
    where the connection to the database is lost it does it again, as soon as there is one."""

    claim: Claim
    alone: Callable[[Callable[[], Any]], Any]


@contextmanager
def claim_file(folder: Path, name: str) -> Iterator[Claim]:
    """A claim by lock files in a folder, which machines may share if it keeps flock."""

    def path(word: str) -> Path:
        return folder / f".{name}.{word}"

    def open_lock(word: str) -> int:
        return os.open(path(word), os.O_RDWR | os.O_CREAT, 0o666)

    def lock_files() -> list[Path]:
        words = re.compile(r"lock|driver\d+")
        files = folder.glob(f".{escape(name)}.*")
        return [file for file in files if words.fullmatch(file.name.removeprefix(f".{name}."))]

    def others(own: int) -> bool:
        numbered = (p for p in lock_files() if p.suffix not in (".lock", f".driver{own}"))
        return any(map(_is_locked, numbered))

    def forget() -> None:
        for file in lock_files():
            file.unlink(missing_ok=True)

    @contextmanager
    def exclusive() -> Iterator[None]:
        descriptor = open_lock("lock")
        try:
            lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    for number in count():
        descriptor = open_lock(f"driver{number}")
        try:
            lock(descriptor, wait=False)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield Claim(number, exclusive, partial(others, number), forget)
        finally:
            os.close(descriptor)
        return


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            lock(file.fileno(), wait=False)
        except BlockingIOError:
            return True
    return False


def claim_database(engine: Engine, name: str) -> AbstractContextManager[Claim]:
    """A claim on a study in a database. Where there is nothing to lock, it has number 0, and only
    one driver may run."""
    if engine.dialect.name == "postgresql":
        return claim_postgresql(engine, name)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # the URL may name it as another URL
            file = connection.exec_driver_sql("PRAGMA database_list").scalars(2).first()
        if file:
            return claim_file(Path(file).parent, f"{Path(file).name}.{file_name(name)}")
    return nullcontext(Claim(0, nullcontext))


@contextmanager
def claim_postgresql(engine: Engine, name: str) -> Iterator[Claim]:
    """A claim by the server's advisory locks, which one connection holds while the driver runs.

    Where that connection is lost, nothing more is stored within `exclusive()`, and the next claims
    anew, with the same number unless another driver has it by then. Source: PostgreSQL's manual,
    13.3.5 and 9.28.10.
    """
    server = _Server(engine, crc32(f"hw-nas study {name}".encode()) - 2**31)  # signed, 32 bits

    @contextmanager
    def exclusive() -> Iterator[None]:
        if server.connection is None:
            claim.number = server.claim(claim.number)
        try:
            server.call("pg_advisory_lock", 0)
            with server.commits_while_held():
                yield
            server.call("pg_advisory_unlock", 0)
        except BaseException as error:
            server.leave()  # whatever it was, this unlocks
            if isinstance(error, LockLost):
                raise Lost(str(error)) from None
            raise

    claim = Claim(server.claim(0), exclusive, server.others_claim)
    try:
        yield claim
    finally:
        server.leave()


class _Server:
    """The connection that holds a driver's locks; None while there is none."""

    def __init__(self, engine: Engine, key: int) -> None:
        self._engine, self._key = engine, key
        self.connection: Connection | None = None

    def claim(self, wanted: int) -> int:
        """Connects, and takes a number that no other driver has: the `wanted` one if it is free."""
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.connection = connection
        try:
            numbers = chain([wanted], count())
            return next(n for n in numbers if self.call("pg_try_advisory_lock", n + 1))
        except BaseException:
            self.leave()
            raise

    def call(self, function: str, lock: int) -> bool:
        """Calls a function of advisory locks; whether it got the lock, of one that tries."""
        from sqlalchemy import text

        assert self.connection is not None
        statement = text(f"SELECT {function}(:key, :lock)")
        bound = {"key": self._key, "lock": lock}
        return bool(self.connection.execute(statement, bound).scalar())

    def others_claim(self) -> bool:
        """Whether another connection has a number. Source: the manual, 54.12."""
        from sqlalchemy import text

        assert self.connection is not None
        statement = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND classid::bigint = :key AND objid <> 0 AND pid <> pg_backend_pid()"
        )
        bound = {"key": self._key % 2**32}  # an oid has no sign
        return bool(self.connection.execute(statement, bound).scalar())

    @contextmanager
    def commits_while_held(self) -> Iterator[None]:
        """A context in which other connections commit only while this one holds its locks.

        Where a restarted server has taken them, another driver may have them. A transaction is of
        one run of the server, so that this connection, if it still answers, is of the same.
        """
        from sqlalchemy import event
        from sqlalchemy.exc import SQLAlchemyError

        def check(_: Connection) -> None:
            assert self.connection is not None
            try:
                self.connection.exec_driver_sql("SELECT 1")
            except SQLAlchemyError as error:
                raise LockLost(f"the connection was lost that held the lock: {error}") from None

        event.listen(self._engine, "commit", check)
        try:
            yield
        finally:
            event.remove(self._engine, "commit", check)

    def leave(self) -> None:
        """Closes the connection, and so unlocks; the pool would keep it open."""
        from sqlalchemy.exc import SQLAlchemyError

        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.invalidate()
                connection.close()
