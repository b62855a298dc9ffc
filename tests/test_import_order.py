"""Imports run one way: no module imports one above it, and none stand in a circle.

Read from the syntax tree, so that deferred imports and those for type checkers count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import nas

ROOT = Path(nas.__file__).parent
# From the ground up; what shares a line may import each other, module by module without a circle.
ORDER = [
    {"_version", "support", "defaults", "measures", "budget", "approvals", "plugins"},
    {"charts"},
    {"graph", "graph_costs", "graph_json", "graph_nodes", "resolution"},
    {"blocks"},
    {"architecture"},
    {
        "branches",
        "references",
        "costs",
        "torch_layers",
        "torch_operations",
        "torch_module",
        "imported",
    },
    {"formats", "space", "networks"},
    {"latency", "proxies", "data"},
    {"accuracy"},
    {"describe"},
    {"training", "pruning"},
    {"study"},
    {"report"},
    {"auto"},
    {"testing"},
    {"cli"},
]
LEVEL = {name: i for i, names in enumerate(ORDER) for name in names}
TOP = {"nas", "nas.__main__"}  # the public names and the command stand above everything


def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(source: str, known: dict[str, Path]) -> Iterator[str]:
    """The modules among `known` that a source imports by absolute names, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                if module in known or node.module in known:
                    yield module if module in known else node.module


@cache
def edges() -> dict[str, set[str]]:
    """The modules that each imports."""
    return {name: set(imports(path.read_text(), MODULES)) for name, path in MODULES.items()}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - TOP))
def test_no_module_imports_one_above_it(name: str) -> None:
    level = LEVEL[name.split(".")[1]]
    assert "nas" not in edges()[name]
    assert not {n for n in edges()[name] if LEVEL[n.split(".")[1]] > level}


def test_no_imports_stand_in_a_circle() -> None:
    below = {name: edges()[name] for name in MODULES.keys() - TOP}
    try:
        tuple(TopologicalSorter(below).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_deferred_and_type_checking_imports_are_seen() -> None:
    source = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from nas.graph import Graph\n"
        "def f():\n    from nas import costs\n    import nas.budget\n"
    )
    assert {"nas.graph", "nas.costs", "nas.budget"} <= set(imports(source, MODULES))
