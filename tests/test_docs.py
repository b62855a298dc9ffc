"""What the documents show is read and run."""

import json
import re
import runpy
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
import torch
import yaml
from typer.main import get_command

from nas.cli.main import app
from nas.costs import cost
from nas.formats.verified import export_onnx
from nas.space import SearchSpace
from nas.space.files import space_names
from nas.study import Study
from nas.testing.numerics import randomise
from nas.torch_module import build
from nas.training import Recipe, Trained

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ALL = [
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    *sorted(DOCS.rglob("*.md")),
]
COMMAND = re.compile(r"^(?:    )?(?:\$ )?nas ([a-z]+)\b(.*)|`nas ([a-z]+)\b([^`]*)`", re.MULTILINE)


@pytest.mark.parametrize("document", ALL, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    paths = re.findall(r"`((?:nas|scripts|tests|docs)/[\w./]+)", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for name in re.findall(r"`(nas(?:\.\w+){2,})", text):
        resolve_name(name)


@pytest.mark.parametrize("document", ALL, ids=lambda path: path.name)
def test_commands_that_are_shown_exist_with_their_options(document: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name, rest, inline, rest_inline in COMMAND.findall(document.read_text()):
        known = {option for p in commands[name or inline].params for option in p.opts}
        options = re.findall(r"(?<![\w-])--[a-z0-9-]+", (rest or rest_inline).split("#")[0])
        assert set(options) <= known, f"nas {name or inline} has no {set(options) - known}"


def test_the_spaces_of_the_document_are_some_and_every_shipped_space_is_listed() -> None:
    text = (DOCS / "spaces.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    square, keywords = (SearchSpace.from_dict(yaml.safe_load(example)) for example in examples)
    assert square.sample(0).classes == 10
    assert keywords.sample(0).input_shape == (1, 49, 10)
    assert set(space_names()) <= set(re.findall(r"`([\w:]+)`", text))


def test_the_table_of_criteria_is_the_registrys() -> None:
    text = (DOCS / "pruning.md").read_text()
    script = runpy.run_path(str(ROOT / "scripts" / "make_criteria_doc.py"))
    assert script["rewritten"](text) == text


def test_the_script_that_runs_an_exported_network_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arch = SearchSpace.load("small").sample(0)
    module = randomise(build(arch, seed=0))
    monkeypatch.chdir(tmp_path)
    scripts = re.findall(r"```python\n(.*?)```", (DOCS / "deploying.md").read_text(), re.DOTALL)
    (script,) = [each for each in scripts if "onnxruntime" in each]
    told = {"classes": [f"class {i}" for i in range(arch.classes)], "mean": [0.5, 0.4, 0.3]}
    metadata = {k: json.dumps(v) for k, v in (told | {"deviation": [0.2, 0.3, 0.4]}).items()}
    export_onnx(arch, tmp_path / "model.onnx", module, metadata=metadata)
    values: dict[str, Any] = {}
    exec(script, values)  # the reader's words
    pixels = torch.from_numpy(values["photo"]).permute(2, 0, 1)[None] / 255
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    with torch.no_grad():
        best = int(module((pixels - mean) / deviation).argmax())
    assert capsys.readouterr().out == f"class {best}\n"


def test_every_proxy_is_in_the_table_of_the_document() -> None:
    from nas.proxies import PROXIES

    text = (DOCS / "proxies.md").read_text().split("\n## ")[0]  # the tables below are of results
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)
    assert dict(rows) == {n: ", ".join(p.needs) or "nothing" for n, p in PROXIES.shipped.items()}


def test_the_recipe_of_the_document_is_the_default() -> None:
    text = (DOCS / "training.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert Recipe.model_validate(yaml.safe_load(example)) == Recipe()


def test_the_python_of_the_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "python.md").read_text()
    code, training, pruning = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    before, search, _ = code.partition("study = nas.search(")  # 200 trials are not for a test
    assert search
    names: dict[str, object] = {}
    exec(before, names)
    assert names["arch"] == SearchSpace.load("mobile").sample(seed=0)
    monkeypatch.chdir(tmp_path)
    exec(training, names)
    assert names["trained"].accuracy == Trained.load(tmp_path / "net").accuracy  # type: ignore[attr-defined]
    assert (tmp_path / "net" / "model.onnx").exists()
    exec(pruning, names)
    assert len(Study.load("pruned").records()) == 10
    assert 2 * cost(Trained.load(tmp_path / "small").arch).macs <= cost(names["fitted"]).macs  # type: ignore[arg-type]


def test_the_reference_of_commands_is_the_programs() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_cli_doc.py"))
    assert script["text"]() == (DOCS / "cli.md").read_text()


def test_every_document_is_reached_from_the_start_page() -> None:
    text = (DOCS / "index.md").read_text()
    linked = set(re.findall(r"\]\(([\w/-]+\.md)", text))
    assert linked == {p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md")} - {"index.md"}
