"""`nas auto` that measures its result on another machine."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from begun import begun
from commands import Run

pytestmark = pytest.mark.usefixtures("few_references")
Server = tuple[str, list[str], Path]


def test_the_winner_is_timed_on_another_machine(run: Run, tmp_path: Path, server: Server) -> None:
    host, options, home = server
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    words = [*begun(tmp_path), "--ssh", host, "--python", str(python)]
    words += [word for option in options for word in ("--ssh-option", option)]
    before = sorted(home.iterdir())  # other tests' own
    code, out, err = run(*words)
    assert code == 0, err
    assert f"latency measured on {host}: " in out
    card, page = (tmp_path / "result" / name for name in ("model_card.md", "report.html"))
    for text in (card.read_text(), page.read_text()):
        assert re.search(r"measured[ :|]+[\d.]+ ms \(±[\d.]+%\) through onnxruntime", text)
        assert host not in text
    assert sorted(home.iterdir()) == before
    lost = f"[ -e {tmp_path}/used ] && echo it is gone >&2 && exit 1; touch {tmp_path}/used"
    python.write_text(f'#!/bin/sh\n{lost}\nexec {sys.executable} "$@"\n')
    code, out, err = run(*words)  # it answers at the beginning, and not at the end
    assert code == 0, err
    assert f"latency not measured: {host}: it is gone" in out
    assert "| measured | not measured |" in card.read_text()


def test_a_wrong_host_is_noticed_at_the_beginning(run: Run, tmp_path: Path) -> None:
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh")
    words = [*begun(tmp_path)[:-1], "new"]
    for host, said in (("127.0.0.1", "127.0.0.1: "), ("-oX=y", "must be a host")):
        code, _, err = run(*words, f"--ssh={host}", "--ssh-option", "Port=1")
        assert (code, err.count("\n")) == (2, 1)
        assert said in err
    for option in ("--ssh-option=Port=1", "--python=py"):
        said = f"nas: {option.replace('=', ' ', 1)}: --ssh must name the machine that it is of\n"
        assert run(*words, option) == (2, "", said)
    assert not (tmp_path / "new").exists()
