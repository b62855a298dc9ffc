"""Every command that is printed works as it stands, and every command takes every network."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Run
from parents import ARCH

from nas import plugins
from nas.support.registry import transaction

PLUGIN = """
from nas.blocks import block
@block("mine")
def _(net, x, *, out: int, hidden: int = 0, stride: int = 1):
    return net.conv(x, out, kernel=3, stride=stride)
"""
SPACE = """
name: mine
classes: 10
channels: 1
resolution: [8]
stem: [{kind: conv, out: [8, 16]}]
stages: [{block: [mine, depthwise], width: [8, 16], depth: [1, 2]}]
head: [{kind: gap}, {kind: linear, out: classes}]
"""


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    with transaction() as made:
        yield
        made.undo()
        plugins.load_installed.cache_clear()


def printed(text: str) -> list[list[str]]:
    """The commands in what was printed, as words behind `nas`."""
    return [
        shlex.split(line)
        for line in re.findall(r"^(?:[\w ]+: +)?nas ([a-z].*)$", text, re.MULTILINE)
    ]


def all_work(run: Run, text: str, expected: int) -> None:
    """Runs what was printed, each as in a new process."""
    commands = printed(text)
    assert len(commands) == expected, text
    for words in commands:
        words = [re.sub("^(5000|20|8)$", "1", word) for word in words]
        with transaction() as made:  # what is loaded is forgotten again
            code, _, err = run(*words)
            made.undo()
        assert code == 0, (words, err)


def test_what_a_search_and_its_finalists_print(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(PLUGIN)
    (tmp_path / "mine.yaml").write_text(SPACE)
    (tmp_path / "quick.yaml").write_text("epochs: 1\n")
    with transaction() as made:
        code, out, err = run(
            *("search", "--space", "mine.yaml", "--plugin", "p.py", "--trials", "8"),
            *("--data", "digits", "--finalists", "1", "--recipe", "quick.yaml", "--study", "s"),
        )
        made.undo()
    assert code == 0, err
    all_work(run, out, 4)


def test_what_a_training_and_a_pruning_print(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(PLUGIN)
    text = ARCH.to_json().replace('"basic"', '"mine"')
    (tmp_path / "net.json").write_text(text)
    with transaction() as made:
        code, out, err = run(
            *("train", "net.json", "--data", "digits", "--epochs", "1", "-o", "a net"),
            *("--plugin", "p.py"),
        )
        made.undo()
    assert code == 0, err
    assert "--plugin" in out
    all_work(run, out, 1)
    code, _, err = run("describe", "a net")
    assert (code, "names the plugin" in err) == (2, True)
    (tmp_path / "plain.json").write_text(ARCH.to_json())
    code, _, err = run("train", "plain.json", "--data", "digits", "--epochs", "1", "-o", "net")
    assert code == 0, err
    code, out, err = run(
        *("prune", "net", "--data", "digits", "--output", "small", "--budget", "15kparams"),
        *("--trials", "8", "--finalists", "1", "--epochs", "1"),
    )
    assert code == 0, err
    all_work(run, out, 3)


@pytest.mark.filterwarnings("default:accuracies are kept in")
def test_where_accuracies_are_kept_is_said_when_it_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(ARCH.to_json())
    train = ("train", "net.json", "--data", "digits", "--epochs", "1")
    said = [run(*train, "-o", f"{n}")[2].count(f"{tmp_path}/accuracy_tables") for n in range(2)]
    assert said == [1, 0]
    (table,) = (tmp_path / "accuracy_tables").glob("*.csv")
    table.write_text(table.read_text() + "edited,by,hand\n")
    code, out, err = run(*train, "-o", "2")  # the training is whole
    assert code == 0
    assert "validation" in out
    (line,) = (line for line in err.splitlines() if "not kept for later searches" in line)
    assert table.name in line


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of every kind."""
    import os

    from nas.formats.onnx_model import to_onnx
    from nas.study import learning
    from nas.study.finalists import run_finalists
    from nas.study.new import begin
    from nas.training import Recipe

    folder = tmp_path_factory.mktemp("networks")
    (folder / "net.json").write_text(ARCH.to_json())
    (folder / "net.onnx").write_bytes(to_onnx(ARCH).SerializeToString())
    before = os.getcwd()
    os.chdir(folder)
    try:
        study = begin(
            "cpu", ["1M"], "small", trials=4, data="digits", finalists=1,
            recipe=Recipe(epochs=1), name="s",
        )  # fmt: skip
        learning.run(study, 4)
        run_finalists(study)
    finally:
        os.chdir(before)
    return folder


NAMES = ("mlperf_tiny_resnet8", "net.json", "net.onnx", "s", "s:0", "training")


@pytest.mark.usefixtures("few_references")
@pytest.mark.parametrize("name", NAMES)
def test_every_command_takes_every_network(
    name: str, networks: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAS_STORAGE", str(networks / "studies"))
    from nas.study import Study
    from nas.study.finalists import read_finalists

    training = read_finalists(Study.load("s"))[0].folder
    given = str(training) if name == "training" else name
    given = str(networks / name) if "." in name else given
    if name == "training":
        monkeypatch.chdir(tmp_path)
    for words in (
        ["describe", given],
        ["score", given, "--proxies", "entropy"],
        ["train", given, "--data", "digits", "--epochs", "1", "-o", "trained"],
        ["export", given, "-o", "out.onnx"],
        ["verify", given, "--minutes", "0.001", "--target", "cpu"],
    ):
        code, _, err = run(*words)
        assert code == 0, (words, err)
    rows = [
        f"{given},3",
        *(f"{known},{4 + i}" for i, known in enumerate(("alexnet", "resnet18", "vgg11"))),
    ]
    (tmp_path / "measured.csv").write_text("\n".join(["network,latency_ms", *rows, ""]))
    code, _, err = run("calibrate", "--target", "t", "--from", "measured.csv")
    assert code == 0, err


def test_a_studys_trained_finalist_is_pruned(
    networks: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_STORAGE", str(networks / "studies"))
    prune = ("--data", "digits", "--output", "o", "--budget", "200k", "--trials", "4")
    code, _, err = run("prune", "s", *prune, "--finalists", "1", "--epochs", "1", "--study", "p")
    assert code == 0, err
    code, _, err = run("prune", "s:99", *prune)
    assert (code, "none of its scored trials" in err) == (2, True)
