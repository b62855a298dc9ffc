"""What every input must come to: an answer, or one line and exit code 2; never half a file.

`FUZZES` are run for a moment by the tests beside this file and for as long as you like by
`scripts/fuzz_input.py`. Commands run in this process, through the program's own entry point.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import onnx
import yaml
from hypothesis import strategies as st
from tiny import TINY

from fuzz.mutations import NUMBERS, damaged, files, wrong_somewhere
from fuzz.samples import (
    APPROVALS,
    CONFIG,
    FACTS,
    LATENCIES,
    MANIFEST,
    RECIPE,
    SPACES,
    TRAINING,
    dump,
    shipped_yaml,
    table_rows,
    to_csv,
    to_lines,
)
from fuzz.words import command_lines
from nas.__main__ import run
from nas.architecture import Architecture
from nas.budget import parse_budget
from nas.latency.runner.main import _measure as time_bundle
from nas.latency.runner.timing import Failure
from nas.references import reference
from nas.space import SearchSpace
from nas.study import begin
from nas.study.trials import SETTINGS
from nas.support.errors import NasError

Files = dict[str, bytes]
LONGEST = 1000


class Fuzz(NamedTuple):
    """Inputs, and a check of one that raises where the program does not keep its word."""

    name: str
    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], object]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def call(*words: str) -> Outcome:
    """Runs a command here. Whatever it raises but the end of the program is the bug looked for."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["nas", *words]
    code: object = None
    try:
        with redirect_stdout(out), redirect_stderr(err):
            run()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]


def contents(folder: Path) -> Files:
    """Every file but the locks, which are hidden and empty, and stay."""
    found = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {str(p.relative_to(folder)): c for p, c in found.items() if c or p.name[0] != "."}


def whole(name: str, content: bytes) -> None:
    """A file that a command wrote: nothing temporary, and complete in its format."""
    assert not Path(name).name.startswith("."), f"{name} was left behind"
    if name.endswith((".yaml", ".yml")):
        yaml.safe_load(content)
    elif name.endswith(".json"):
        json.loads(content)
    elif name.endswith(".journal"):
        assert content.endswith(b"\n")
        [json.loads(line) for line in content.splitlines()]
    elif name.endswith(".onnx"):
        onnx.load_from_string(content)


@contextmanager
def folder_of(given: Files) -> Iterator[Path]:
    """An empty working directory with these files; the user's configuration is in `config`."""
    before, own = os.getcwd(), os.environ.get("NAS_CONFIG")
    with TemporaryDirectory() as name:
        for place, content in given.items():
            path = Path(name) / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        os.chdir(name)
        os.environ["NAS_CONFIG"] = "config"
        try:
            yield Path(name)
        finally:
            os.chdir(before)
            os.environ.pop("NAS_CONFIG")
            if own is not None:
                os.environ["NAS_CONFIG"] = own


def keeps_its_word(words: Sequence[str], given: Files, *, done: bool = True) -> Outcome:
    """Runs a command among these files; `done` is whether it may be right."""
    with folder_of(given) as folder:
        outcome = call(*words)
        after = contents(folder)
    code, out, err = outcome
    said = f"{words} came to {code}: {out[-300:]!r} {err[-2000:]!r}"
    assert code in ((0, 2) if done else (2,)), said
    assert "Traceback" not in out + err, said
    changed = {n: c for n, c in after.items() if given.get(n) != c and not n.endswith(".fit.json")}
    if code == 2:
        assert err.startswith("nas: "), said
        assert err.count("\n") == 1, said
        assert len(err) <= LONGEST, said
        assert not out, said
        assert not changed, f"{said}; it changed {list(changed)}"
    for name, content in changed.items():
        whole(name, content)
    return outcome


def check_budget(text: str) -> None:
    try:
        budget = parse_budget(text)
    except NasError as error:
        assert "\n" not in str(error)
        return
    assert isfinite(budget.limit)
    assert budget.limit > 0
    assert parse_budget(budget.text) == budget


BUDGETS = st.one_of(
    st.text(max_size=12),
    st.builds(
        "{}{}{}".format,
        st.one_of(st.sampled_from(NUMBERS), st.floats(), st.integers()),
        st.sampled_from(["", " ", "\n", "\xa0"]),
        st.sampled_from(
            [
                "",
                *"kKmMGTµ",
                "ms",
                "s",
                "us",
                "MB",
                "KiB",
                "MFLOPs",
                "gmacs",
                "Mparams",
                "MBweights",
            ]
        ),
    ),
)


SEARCH = ("search", "--target", "jetson", "--trials", "1", "--proxies", "entropy")
DESCRIBE = ("describe", "squeezenet1_1", "--json", "--target", "mine")
TRAIN = ("train", "resnet18", "--data", "none", "--output", "out", "--recipe", "r.yaml")
CALIBRATE = ("calibrate", "--target", "mine", "--from", "m.csv", "--base", "jetson")
# What keeps a search short and in its folder, whatever a file says.
HERE = (
    *("--trials", "1", "--finalists", "0", "--proxies", "entropy"),
    *("--workers", "1", "--storage", "kept"),
)
IMPORT = ("measure", "--import", "results.csv")
JOURNAL = "studies/s.journal"
OWN = "latency_tables/mine"


def check_space(content: bytes) -> None:
    with folder_of({"s.yaml": content}):
        try:
            space = SearchSpace.load("s.yaml")
        except NasError:
            space = None
    if space is None:
        keeps_its_word((*SEARCH, "--space", "s.yaml"), {"s.yaml": content}, done=False)
        return
    assert SearchSpace.from_dict(space.to_dict()).to_dict() == space.to_dict()
    arch = space.sample(1)
    assert Architecture.from_json(arch.to_json()) == arch
    assert space.decode(space.encode(arch)) == arch


def check_search(content: bytes) -> None:
    keeps_its_word((*SEARCH, "--space", "s.yaml"), {"s.yaml": content})


def check_architecture(content: bytes) -> None:
    keeps_its_word(("describe", "a.json", "--target", "jetson", "--json"), {"a.json": content})


def check_target(content: bytes) -> None:
    keeps_its_word(DESCRIBE, {f"{OWN}.yaml": content})
    assert call("targets").code == 0


def check_table(content: bytes) -> None:
    keeps_its_word(DESCRIBE, {f"{OWN}.yaml": measured_metadata(), f"{OWN}.csv": content})


def check_results(content: bytes) -> None:
    keeps_its_word((*IMPORT, "--target", "mine"), {"results.csv": content})


def check_facts(content: bytes) -> None:
    keeps_its_word(
        IMPORT, {"results.csv": to_csv(table_rows(12)).encode(), "results.json": content}
    )


def check_journal(content: bytes) -> None:
    keeps_its_word(("show", "s", "--json"), {JOURNAL: content})


def check_recipe(content: bytes) -> None:
    keeps_its_word(TRAIN, {"r.yaml": content}, done=False)


def check_calibration(content: bytes) -> None:
    keeps_its_word(CALIBRATE, {"m.csv": content})


def check_config(content: bytes) -> None:
    keeps_its_word(("search", "--config", "c.yaml", *HERE), {"c.yaml": content})


def check_approvals(content: bytes) -> None:
    for words in (["plugins"], ["plugins", "allow", "a.py"], ["plugins", "forget", "a.py"]):
        keeps_its_word(words, {"config/plugins.json": content, "a.py": b""})


def check_fit(content: bytes) -> None:
    target = {f"{OWN}.yaml": measured_metadata(), f"{OWN}.csv": to_csv(table_rows(12)).encode()}
    outcome = keeps_its_word(DESCRIBE, {**target, f"{OWN}.fit.json": content})
    if outcome.code == 0:
        assert 0 < json.loads(outcome.out)["latency_ms"] < 1e6


@cache
def fit() -> Any:
    """A right one."""
    with folder_of({f"{OWN}.yaml": measured_metadata()}):
        Path(f"{OWN}.csv").write_text(to_csv(table_rows(12)))
        assert call(*DESCRIBE).code == 0
        return json.loads(Path(f"{OWN}.fit.json").read_text())


def check_training(content: bytes) -> None:
    given = {"t/training.json": content, "t/epoch-1.safetensors": b"", "victim": b""}
    for words in (
        ["describe", "t", "--target", "jetson"],
        ["export", "t"],
        [*TRAIN[:-1], "r.yaml"],
    ):
        keeps_its_word(words, given)


def check_settings(data: Any) -> None:
    """Settings are JSON inside of a journal's JSON."""
    found = journal()
    for line in found:
        if SETTINGS in line.get("user_attr", {}):
            line["user_attr"][SETTINGS] = data if isinstance(data, str) else json.dumps(data)
    files = {JOURNAL: to_lines(found).encode()}
    for words in (["show", "s", "--json"], ["show", "s", "--config"], ["studies"]):
        keeps_its_word(words, files)


@cache
def settings_of_a_study() -> Any:
    for line in journal():
        text = line.get("user_attr", {}).get(SETTINGS)
        if text:
            return json.loads(text)
    raise AssertionError("no settings in the journal")


def check_manifest(content: bytes) -> None:
    with folder_of({"manifest.json": content}) as folder:
        with redirect_stdout(io.StringIO()), suppress(Failure):
            time_bundle(folder)
        assert {*contents(folder)} <= {"manifest.json", "results.json"}


def check_onnx(architecture: Any) -> None:
    model = onnx.ModelProto(ir_version=8)
    text = json.dumps(architecture)
    onnx.helper.set_model_props(model, {"architecture": text})
    content = model.SerializeToString()
    keeps_its_word(("describe", "a.onnx", "--target", "jetson", "--json"), {"a.onnx": content})


@cache
def measured_metadata() -> bytes:
    data = shipped_yaml("latency_tables", "x86-avx512-ort")
    return dump({**data, "name": "mine", "aliases": []}).encode()


@cache
def workplace() -> Files:
    """What command lines find in their working directory: a study, a network, a space, a table."""
    with folder_of({}) as folder:
        study = begin("jetson", ["15M"], "small", name="s", trials=2, proxies=["entropy"])
        call("resume", study.name)
        (folder / "net.json").write_text(SearchSpace.load("small").sample(0).to_json())
        (folder / "my.yaml").write_text(dump(TINY))
        (folder / "m.csv").write_text(to_csv(LATENCIES))
        (folder / "bad.yaml").write_text("a: [")
        (folder / "my.py").write_text("raise RuntimeError('it ran')")
        (folder / "taken").mkdir()
        (folder / "taken" / "x").write_text("x")
        return contents(folder)


def journal() -> list[dict[str, Any]]:
    """The lines of the study's journal."""
    return [json.loads(line) for line in workplace()[JOURNAL].splitlines()]


def check_words(words: list[str]) -> None:
    keeps_its_word(words, workplace())


def either(base: Any) -> st.SearchStrategy[Any]:
    """Data that is damaged, for what writes it itself."""
    return st.one_of(wrong_somewhere(base), damaged(base))


@cache
def fuzzes() -> tuple[Fuzz, ...]:
    """All of them. What takes long to make is made by the first that needs it."""
    target = {**shipped_yaml("latency_tables", "jetson-nano"), "name": "mine", "aliases": []}
    table = table_rows(12)
    nets = [SearchSpace.load("small").sample(0).to_dict(), reference("squeezenet1_1").to_dict()]
    spaces = st.one_of([files(space, dump) for space in SPACES])
    return (
        Fuzz("budgets", BUDGETS, check_budget),
        Fuzz("spaces", spaces, check_space),
        Fuzz("searches", files(TINY, dump), check_search),
        Fuzz("architectures", st.one_of([files(n, json.dumps) for n in nets]), check_architecture),
        Fuzz("targets", files(target, dump), check_target),
        Fuzz("tables", files(table, to_csv), check_table),
        Fuzz("results", files(table, to_csv), check_results),
        Fuzz("facts", files(FACTS, json.dumps), check_facts),
        Fuzz("journals", st.deferred(lambda: files(journal(), to_lines)), check_journal),
        Fuzz("recipes", files(RECIPE, dump), check_recipe),
        Fuzz("latencies", files(LATENCIES, to_csv), check_calibration),
        Fuzz("configs", files(CONFIG, dump), check_config),
        Fuzz("approvals", files(APPROVALS, json.dumps), check_approvals),
        Fuzz("fits", st.deferred(lambda: files(fit(), json.dumps)), check_fit),
        Fuzz("trainings", files(TRAINING, json.dumps), check_training),
        Fuzz("settings", st.deferred(lambda: either(settings_of_a_study())), check_settings),
        Fuzz("manifests", files(MANIFEST, json.dumps), check_manifest),
        Fuzz("onnx", st.one_of([either(net) for net in nets]), check_onnx),
        Fuzz("words", command_lines(), check_words),
    )
