"""A slip of the pen is one line that names what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run
from parents import ARCH

SEARCH = ("search", "--target", "jetson", "--budget", "15M", "--space", "small", "--trials", "3")
SPACE = """
name: mine
classes: 10
channels: 1
resolution: [8]
stem: [{kind: conv, out: 8}]
stages: [{block: [of_a_plugin], width: [8], depth: [1]}]
head: [{kind: gap}, {kind: linear, out: classes}]
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["describe", "net.jsn"], "did you mean 'net.json'?"),
        (["describe", "nett.json"], "No such file or directory; did you mean 'net.json'?"),
        (["describe", "sub/inner.jsn"], "did you mean 'sub/inner.json'?"),
        (["search", "--space", "mne.yaml"], "did you mean 'mine.yaml'?"),
        (["prune", "net.jsn", "--data", "digits", "-o", "o", "--budget", "1M"], "'net.json'?"),
        (["describe", "s:999"], "trial 999 of study 's' is none of its scored trials, 0 to 2"),
        (["describe", "s:x"], "a trial of study 's' is a number, as in s:0"),
        (["report", "net.json"], "'net.json' is no study in 'studies'; nas describe shows"),
        (["show", "s:1"], "'s:1' is no study in 'studies'; nas describe shows"),
        (["search", "--space", "mine.yaml"], "block 'of_a_plugin' is unknown"),
        (["search", "--space", "mine.yaml"], "(--plugin FILE loads a plugin's)"),
        (["studies", "rm"], "nas: Missing argument 'STUDY...'.\n"),
    ],
)  # fmt: skip
def test_what_was_meant_is_named(run: Run, tmp_path: Path, words: list[str], said: str) -> None:
    assert run(*SEARCH, "--study", "s", "-q")[0] == 0
    (tmp_path / "sub").mkdir()
    for name in ("net.json", "sub/inner.json"):
        (tmp_path / name).write_text(ARCH.to_json())
    (tmp_path / "mine.yaml").write_text(SPACE)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err.splitlines(keepends=True)[-1]


def test_a_small_space_is_counted_in_full(run: Run, tmp_path: Path) -> None:
    text = SPACE.replace("of_a_plugin", "inverted").replace("out: 8", "out: [8, 16]")
    (tmp_path / "few.yaml").write_text(text.replace("[1]", "[1, 2]"))
    assert run("spaces", "few.yaml")[1].split("\n")[2].split()[:3] == ["mine", "8–8", "4"]


def test_files_of_something_else_are_no_networks(run: Run, tmp_path: Path) -> None:
    alone = run("describe", "package")[2]
    (tmp_path / "packages.json").write_text('{"name": "of another program"}')
    assert run("describe", "package")[2] == alone
    (tmp_path / "packaged.json").write_text(ARCH.to_json())
    assert "did you mean 'packaged.json'?" in run("describe", "package")[2]
