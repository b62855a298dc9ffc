"""Optuna's private parts that nas uses: these, which are there, and in one module alone."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseGASampler, GPSampler
from optuna.trial import create_trial

import nas

ROOT = Path(nas.__file__).parent
HOME = ROOT / "study" / "optuna_private.py"
USED = {
    "_get_generation_key",
    "_n_local_search",
    "_trial_id",
    "optuna.storages._rdb",  # its models of a study
}
FILES = [p for p in sorted(ROOT.rglob("*.py")) if re.search("(import|from) optuna", p.read_text())]
OPTUNA = " ".join(p.read_text() for p in Path(optuna.__file__).parent.rglob("*.py"))
THEIRS = set(re.findall(r"\b_[a-z]\w*", OPTUNA))
PUBLIC = {"_asdict", "_fields", "_replace"}  # of every named tuple


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def parts(path: Path) -> Iterator[str]:
    """The private modules of Optuna that a file imports, and private names of other objects."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            if any(map(private, names)):
                yield ".".join((node.module or "").split(".")[:3])
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("optuna.")]
            yield from (name for name in names if any(map(private, name.split("."))))
        elif isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in PUBLIC:
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in ("self", "cls") and node.attr in THEIRS:
                yield node.attr


def overridden(path: Path) -> Iterator[str]:
    """Private methods of Optuna's classes that those of a file put others in the place of."""
    module = import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
    for _, made in inspect.getmembers(module, inspect.isclass):
        theirs = [base for base in made.__mro__ if base.__module__.startswith("optuna.")]
        if made.__module__ == module.__name__:
            own = {name for name, value in vars(made).items() if private(name) and callable(value)}
            yield from (name for name in own if any(name in vars(base) for base in theirs))


def test_the_private_parts_are_these() -> None:
    found = {*parts(HOME), *overridden(HOME)}
    assert found == USED


@pytest.mark.parametrize("path", sorted({*FILES} - {HOME}), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_other_module_uses_one(path: Path) -> None:
    assert not {*parts(path), *overridden(path)}


def test_they_are_there() -> None:
    assert isinstance(create_trial(value=1.0)._trial_id, int)
    assert GPSampler()._n_local_search > 1
    assert optuna.samplers.NSGAIISampler._get_generation_key() == "NSGAIISampler:generation"
    assert issubclass(optuna.samplers.NSGAIISampler, BaseGASampler)
