"""Claims, by which several drivers share a study: each has a number, one at a time stores.

A lock is the operating system's or the database server's, which let go of it when the driver is
gone, however it went.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from sqlalchemy import Connection, Engine, text

from nas.support.files import lock


class Claim(NamedTuple):
    """A driver's `number`, the lowest that none has who drives the study, and its way to be alone:
    within `exclusive()` no other stores anything."""

    number: int
    exclusive: Callable[[], AbstractContextManager[object]]


@contextmanager
def claim_alone() -> Iterator[Claim]:
    """A claim where there is nothing to lock: only one driver may run. It has number 0."""
    yield Claim(0, nullcontext)


@contextmanager
def claim_file(folder: Path, name: str) -> Iterator[Claim]:
    """A claim by lock files in a folder, which machines may share if it keeps flock."""

    def path(word: str) -> Path:
        return folder / f".{name}.{word}"

    def open_lock(word: str) -> int:
        return os.open(path(word), os.O_RDWR | os.O_CREAT, 0o666)

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
            yield Claim(number, exclusive)
        finally:
            os.close(descriptor)
        return


@contextmanager
def claim_postgresql(engine: Engine, name: str) -> Iterator[Claim]:
    """A claim by the server's advisory locks, which one connection holds while the driver runs.

    Source: PostgreSQL's manual, 13.3.5 and 9.28.10.
    """
    key = crc32(f"hw-nas study {name}".encode()) - 2**31  # a signed integer of 32 bits

    def call(function: str, lock: int) -> bool:
        statement = text(f"SELECT {function}(:key, :lock)")
        return bool(connection.execute(statement, {"key": key, "lock": lock}).scalar())

    @contextmanager
    def exclusive() -> Iterator[None]:
        call("pg_advisory_lock", 0)
        try:
            yield
        finally:
            call("pg_advisory_unlock", 0)

    connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        number = next(n for n in count() if call("pg_try_advisory_lock", n + 1))
        yield Claim(number, exclusive)
    finally:
        connection.invalidate()  # closes it, and so unlocks; the pool would keep it open
        connection.close()
