"""Would the tests notice a wrong program? `scripts/results/mutation.json`.

    pip install --no-deps cosmic-ray parso stevedore attrs    # cosmic-ray 8.7 was used
    python scripts/mutation.py run nas/costs.py nas/graph.py  # all modules of TESTS without names
    python scripts/mutation.py report                         # as Markdown, survivors in full

Of each module's mutants, cosmic-ray's, a fixed random sample is taken, and the module's tests run
on each until one fails. No file is changed: a process that has imported the libraries, but not
`nas`, forks for each mutant, and the fork imports the mutated source in the module's place. (So
what a test starts as a process of its own runs the true program.) The results are kept after every
mutant. A mutant that was killed is not tried again while the source is the same, as tests are only
added; one that survived is.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "mutation.json"
BEFORE = RESULTS.with_stem("mutation_before")
# The tests of each module, quick ones first; the first to fail ends a mutant.
TESTS = {
    "nas/costs.py": ["test_costs.py", "blocks/test_blocks.py"],
    "nas/graph.py": ["test_graph.py", "test_costs.py", "formats/test_onnx_model.py"],
    "nas/space/extremes.py": ["space/test_extremes.py", "space/test_space.py -k extremes"],
    "nas/proxies/combine.py": ["proxies/test_combine.py"],
    "nas/latency/model/corrections.py": [
        "latency/model/test_corrections.py",
        "latency/model/test_predictor.py -k not stated",
    ],
    "nas/study/storage/storage.py": [
        "study/storage/test_places.py",
        "study/storage/test_storage.py",
    ],
    "nas/training/checkpoint.py": [
        "training/test_checkpoint.py",
        "training/test_training.py -k not (ctrl_c or search)",
    ],
}
LIBRARIES = (
    "hypothesis",
    "numpy",
    "onnxruntime",
    "onnx",
    "optuna",
    "pydantic",
    "safetensors.torch",
    "scipy.sparse",
    "sqlalchemy.orm",
    "torch.nn.functional",
    "typer",
    "yaml",
)
TIMES, EXTRA = 4, 30  # the limit of a mutant's time, from that of the true program, in s


def main() -> None:
    """Runs or reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="module")
    parser.add_argument("--sample", type=int, default=80, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--before", type=Path, default=BEFORE, help="results to compare with")
    asked = parser.parse_args()
    results = json.loads(asked.results.read_text()) if asked.results.exists() else {}
    if asked.what == "report":
        before = json.loads(asked.before.read_text()) if asked.before.exists() else {}
        print(report(before, results))
        return
    for library in LIBRARIES:
        importlib.import_module(library)
    for module in asked.modules:
        for facts in run(module, results.get(module, {}), asked.sample, asked.seed):
            results[module] = facts
            asked.results.write_text(json.dumps(results, indent=1) + "\n")


def report(before: dict[str, Any], after: dict[str, Any]) -> str:
    """The table, and what survived."""
    lines = ["| module | mutants | killed before | killed after |", "|---|---|---|---|"]
    for module, facts in after.items():
        shares = " | ".join(_share(results.get(module)) for results in (before, after))
        lines.append(f"| `{module}` | {facts['mutants']} | {shares} |")
    lines += ["", "What survives:", ""]
    for module, facts in after.items():
        lived = [change for change, killed in facts["killed"].items() if not killed]
        lines += [f"- `{module}`, line {change.replace(': ', ': `', 1)}`" for change in lived]
    return "\n".join(lines)


def _share(facts: dict[str, Any] | None) -> str:
    if facts is None:
        return ""
    killed, tried = sum(facts["killed"].values()), len(facts["killed"])
    return f"{killed} of {tried} ({killed / tried:.0%})"


def run(module: str, before: dict[str, Any], count: int, seed: int) -> Iterator[dict[str, Any]]:
    """The results after every mutant."""
    source = (ROOT / module).read_text()
    digest = sha256(source.encode()).hexdigest()
    known = before["killed"] if before.get("source") == digest else {}
    total, changes = mutants(source, seed)
    sample = dict(islice(changes, count))
    began = time.monotonic()
    if not passes(module, source, None):
        raise SystemExit(f"{module}: its tests fail without any mutation")
    limit = TIMES * (time.monotonic() - began) + EXTRA
    print(f"{module}: {total} mutants, {len(sample)} sampled, limit {limit:.0f} s", flush=True)
    killed = {change: True for change in sample if known.get(change)}
    for change, changed in sample.items():
        if change not in killed:
            began = time.monotonic()
            killed[change] = not passes(module, changed, limit)
            said = "killed  " if killed[change] else "survived"
            print(f"{said} {time.monotonic() - began:4.0f} s  {change}", flush=True)
        yield {"source": digest, "seed": seed, "mutants": total, "killed": killed}


def mutants(source: str, seed: int) -> tuple[int, Iterator[tuple[str, str]]]:
    """How many there are, and in random order what each changes, on one line, with its source.

    Those that are no program, or differ in the annotations of a function, which nothing evaluates,
    are counted but left out.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.operators.provider import OperatorProvider

    provider, nodes = OperatorProvider(), list(ast_nodes(get_ast(source)))
    # An operator with arguments replaces a variable that it is told.
    operators = [provider[name]() for name in provider if not provider[name].arguments()]
    places = [
        (operator, occurrence)
        for operator in operators
        for occurrence in range(sum(len([*operator.mutation_positions(node)]) for node in nodes))
    ]
    random.Random(seed).shuffle(places)

    def changes() -> Iterator[tuple[str, str]]:
        program = _program(source)
        for operator, occurrence in places:
            changed = mutate_code(source, operator, occurrence)
            with contextlib.suppress(SyntaxError):
                if _program(changed) != program:
                    yield _change(source, changed), changed

    return len(places), changes()


def _program(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    return ast.dump(tree)


def _change(source: str, changed: str) -> str:
    old, new = source.splitlines(), changed.splitlines()
    first = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    if len(old) > len(new):
        return f"{first + 1}: {old[first].strip()} -> nothing"
    return f"{first + 1}: {old[first].strip()} -> {new[first].strip()}"


def passes(module: str, source: str, limit: float | None) -> bool:
    """Whether the module's tests pass on a changed source, within the limit in seconds."""
    child = os.fork()
    if child == 0:
        os.setsid()
        _test(module, source)
    until = time.monotonic() + (limit or 3600)
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _test(module: str, source: str) -> None:
    code = 1
    try:
        import pytest

        sys.path.insert(0, str(ROOT))
        sys.meta_path.insert(0, _Finder(module, source))
        os.chdir(ROOT)
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
            words.append(f"--basetemp={folder}/t")
            for file, *choice in (tests.split(" ", 2) for tests in TESTS[module]):
                if (ROOT / "tests" / file).exists():
                    code = pytest.main([*words, f"tests/{file}", *choice])
                    if code:
                        break
    finally:
        os._exit(code)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, source: str) -> None:
        self.name = module.removesuffix(".py").replace("/", ".")
        self.path, self.source = ROOT / module, source

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        loader = _Loader(fullname, str(self.path))
        loader.source = self.source
        return importlib.util.spec_from_file_location(fullname, self.path, loader=loader)


class _Loader(SourceFileLoader):
    source = ""

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.source, self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    main()
