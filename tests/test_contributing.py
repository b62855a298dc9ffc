"""CONTRIBUTING.md: every example of something added is added and checked, as it stands there."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from test_import_order import ORDER

from nas import plugins
from nas.blocks import KINDS
from nas.data import READERS
from nas.proxies import PROXIES
from nas.pruning.criteria import CRITERIA
from nas.study.samplers import SAMPLERS
from nas.support.registry import Registry, transaction

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
ADDED: dict[str, tuple[Registry[Any], str]] = {
    "A block": (KINDS, "mixed"),
    "A proxy": (PROXIES, "spread"),
    "A sampler": (SAMPLERS, "climber"),
    "A data reader": (READERS, "npz"),
    "A criterion of pruning": (CRITERIA, "brightest"),
}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    with transaction() as made:
        yield
        made.undo()


def fenced(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)


def run_test(source: str, tmp_path: Path) -> None:
    """Runs every test that a piece of code defines."""
    names: dict[str, object] = {}
    exec(source, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        assert inspect.isfunction(test)
        test(*[tmp_path for _ in inspect.signature(test).parameters])


def test_there_is_an_example_of_everything_that_can_be_added() -> None:
    assert set(SECTIONS) == {*ADDED, "A target"}


@pytest.mark.parametrize("section", ADDED)
def test_the_example_keeps_its_contract(section: str, tmp_path: Path) -> None:
    registry, name = ADDED[section]
    code, test = fenced(section, "python")
    path = tmp_path / "example.py"
    path.write_text(code)
    file = plugins.load(path)
    assert plugins.providers((registry, [name])) == (file,)
    run_test(test, tmp_path)


def test_the_target_keeps_its_contract(tmp_path: Path, run: Run) -> None:
    (table,), (command,), (test,) = (fenced("A target", kind) for kind in ("csv", "sh", "python"))
    (tmp_path / "my-board.csv").write_text(table)
    program, *words = shlex.split(command)
    assert program == "nas"
    assert run(*words)[0] == 0
    run_test(test, tmp_path)


def test_the_picture_is_the_order_that_is_held() -> None:
    found = re.search(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    lines = [re.findall(r"[\w.]+", line.split("#")[0]) for line in found[1].splitlines()]
    assert [set(words) for words in lines if words] == ORDER
