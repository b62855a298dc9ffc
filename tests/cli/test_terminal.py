"""Whatever a name holds, the terminal is shown it and obeys nothing of it."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Run
from fuzz.samples import dump
from tiny import TINY

import nas.cli
from nas.cli import console as console_module
from nas.cli.console import console
from nas.cli.progress import progress_display
from nas.cli.tables import show, table
from nas.cli.terminal import echo, echo_json, echo_lines
from nas.study import Study, begin

EVIL = "a\x1b[2J\x1b]0;x\x07[red]\u202e:smile:\x7f\r"
SHOWN = r"a\x1b[2J\x1b]0;x\x07[red]\u202e:smile:\x7f\r"
ROOT = Path(nas.cli.__file__).parent
OUTPUT = {"terminal.py", "console.py"}


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.stem)
def test_no_other_module_prints(path: Path) -> None:
    allowed = {"typer.echo"} if path.name == "plugins.py" else set()
    if path.name not in OUTPUT:
        written = {"print", "typer.echo", "Console", "Text", "sys.stdout.write", "sys.stderr.write"}
        assert {*calls(path)} & written <= allowed


def test_lines_tables_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    echo(EVIL, err=True)
    echo_lines(f"{EVIL}\n{EVIL}\n")
    show(EVIL, table(("x", "y"), [(EVIL, 1)]))
    out, err = capsys.readouterr()
    assert err == f"{SHOWN}\n"
    assert out.count(SHOWN) == 5
    assert not re.search(r"[^\n -\U0010ffff]", out)
    assert "\u202e" not in out
    echo_json({"name": EVIL})
    out = capsys.readouterr().out
    assert json.loads(out) == {"name": EVIL}
    assert out.rstrip("\n").isprintable()
    echo_json({"a": [float("nan"), 1.5, (float("inf"), True)]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5, [None, True]]}


def test_a_console_takes_any_renderable_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(console_module._Console, "file", file)
    console().print(EVIL)
    assert file.getvalue() == f"{SHOWN}\n"


@pytest.fixture
def evil(tmp_path: Path, run: Run) -> Run:
    """Beside a space and an architecture whose names are meant to be obeyed."""
    (tmp_path / "evil.yaml").write_text(dump({**TINY, "name": EVIL}), encoding="utf-8")
    study = begin("jetson", ["15M"], "evil.yaml", name="s", trials=1, proxies=["entropy"])
    (tmp_path / "a.json").write_text(study.space.sample(0).renamed(EVIL).to_json())
    return run


COMMANDS = (
    *(["studies"], ["spaces", "evil.yaml"], ["describe", "a.json"], ["resume", "s"]),
    *(["score", "a.json", "--proxies", "entropy"], ["describe", EVIL], ["show", EVIL]),
    ["search", "--space", "evil.yaml", "--trials", "1", "--proxies", "entropy", "--budget", EVIL],
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_no_command_prints_what_a_terminal_obeys(evil: Run, words: list[str]) -> None:
    code, out, err = evil(*words)
    assert code == (2 if EVIL in words else 0), err
    assert all(line.isprintable() for line in (out + err).split("\n"))
    assert r"\x1b[2J" in out + err


def test_progress_says_names_as_they_are(evil: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display(Study.load("s")):
        pass
    assert f"space {SHOWN}, " in capsys.readouterr().err


def test_a_password_is_in_no_command_that_is_suggested(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes no password in its URL but any option, which stands for one here."""
    url = f"sqlite:///{tmp_path}/nas.db?password=geheim"
    words = ["--trials", "1", "--proxies", "entropy", "--space", "small", "--study", "s"]
    code, out, err = run("search", "--storage", url, *words)
    assert code == 0, err
    assert "nas resume s --storage" in out
    assert "?password=***" in out
    assert "geheim" not in out + err
    for bad in ("postgresql://u:geheim@none.invalid/db", "no://u:geheim@h/db", "a://u:geheim@h:x/"):
        code, out, err = run("studies", "--storage", bad)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "geheim" not in err
        assert "u:***@" in err


def test_how_a_study_is_named_in_a_command(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nas.cli.run_study import _named

    study = begin("jetson", ["15M"], "small", name="s", storage=str(tmp_path / "my studies"))
    assert _named(study) == f"s --storage '{tmp_path}/my studies'"
    study.storage.location = "postgresql://u:geheim@h/db"
    assert _named(study) == "s --storage 'postgresql://u:***@h/db'"
    assert "NAS_STORAGE" in capsys.readouterr().out
    monkeypatch.setenv("NAS_STORAGE", study.storage.location)
    assert _named(study) == "s"
    assert capsys.readouterr().out == ""
