"""Standard output of any encoding, closed, full or not read to its end: no traceback, exit codes as
ever; `~` is the user's home wherever a path is given. Each command is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny import TINY

from nas.support.text import in_ascii

NAS = f"{sys.executable} -m nas"
NAME = "[red]ünï–😀[/b]"


def shell(command: str, folder: Path, **environment: str) -> tuple[int, bytes, bytes]:
    """Runs a line of shell, in which `nas` is the command."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'nas() {{ {NAS} "$@"; }}; {command}'],
        cwd=folder,
        env={**os.environ, "HOME": str(folder / "home"), **environment},
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"Exception ignored" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a space whose name no encoding but Unicode has, and the user's home."""
    (tmp_path / "home").mkdir()
    (tmp_path / "s.yaml").write_text(yaml.safe_dump({**TINY, "name": NAME}))
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_shows_every_text(encoding: str, folder: Path) -> None:
    code, out, err = shell(
        "nas targets && nas search --space s.yaml --trials 1; nas show ü–",
        folder,
        PYTHONIOENCODING=encoding,
    )
    assert code == 2
    text, lines = out.decode(encoding), err.decode(encoding).splitlines()
    assert any("space [red]" in line for line in lines)
    assert lines[-1].startswith("nas: study")
    if encoding == "ascii":
        assert any(f"space {in_ascii(NAME)}" in line for line in lines)
        assert " - " in text  # what is not known, in the tables
    if encoding == "utf-8":
        assert any(f"space {NAME}" in line for line in lines)


def test_the_locale_c_without_utf8(folder: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, out, _ = shell("nas targets && nas describe ü", folder, **plain)
    assert code == 2
    assert out.isascii()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("nas references | head -n 1", 0),
        ("nas nothing 2>&-", 2),
        ("nas references <&- >&- 2>&-", 0),
        ("nas search --space s.yaml --trials 2 >&- 2>&-", 0),
        ("nas references > /dev/full", 2),
        ("nas nothing 2> /dev/full", 2),
        ("nas search --space s.yaml --trials 1 2>&1 | head -c 1", 0),
    ],
)
def test_closed_full_and_unread_streams(command: str, expected: int, folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    code, *_ = shell(command, folder)
    assert code == expected
    left = {path.name for path in folder.iterdir()} - before
    assert left <= {"studies"}
    assert left == ({"studies"} if "search" in command else set())
    for journal in folder.glob("studies/*.journal"):
        # Nothing was printed into it.
        assert all(json.loads(line) for line in journal.read_bytes().splitlines())


def test_a_tilde_is_the_users_home(folder: Path) -> None:
    home = folder / "home"
    (folder / "s.yaml").rename(home / "s.yaml")
    options = {"space": "~/s.yaml", "trials": 1, "study": "b"}
    (home / "c.yaml").write_text(yaml.safe_dump({**options, "storage": "~/kept"}))
    for command in (
        "nas search --space=~/s.yaml --trials 1 --storage='~/kept' --study a",
        "nas search --config='~/c.yaml'",
        "NAS_STORAGE='~/kept' nas export a --output='~/a.onnx'",
        "nas search --space ~/s.yaml --trials 1 --storage 'sqlite:///~/n.db'",
        "nas describe '~/kept/a.journal'",
    ):
        code, _, err = shell(command, folder)
        assert code == 0, err.decode()
    assert {p.name for p in (home / "kept").glob("*.journal")} == {"a.journal", "b.journal"}
    assert (home / "a.onnx").exists()
    assert (home / "n.db").exists()
    assert [p.name for p in folder.iterdir()] == ["home"]
