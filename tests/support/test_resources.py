"""What is shipped beside the code is in the wheel, and help and messages name it as it is there."""

import re
import tomllib
from pathlib import Path

import pytest

import nas
from nas.support import resources
from nas.support.resources import document, install_extra, shipped

ROOT = Path(nas.__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FORCED: dict[str, str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
SAID = re.compile(r"\bdocument\([\"']([\w/]+\.md)[\"']\)")


def test_every_document_and_shipped_folder_is_in_the_wheel() -> None:
    assert {source: f"nas/{source}" for source in FORCED} == FORCED
    inside = [
        path
        for source in FORCED
        for path in ((ROOT / source).rglob("*") if (ROOT / source).is_dir() else [ROOT / source])
    ]
    documents = {path for path in inside if path.is_relative_to(ROOT / "docs")}
    assert documents == set((ROOT / "docs").rglob("*.md"))
    assert {shipped("search_spaces"), shipped("latency_tables")} <= {ROOT / s for s in FORCED}


def test_a_document_is_called_as_it_lies_in_a_checkout_and_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert document("search.md") == "docs/search.md"
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    (tmp_path / "docs").mkdir()
    assert document("search.md") == str(tmp_path / "docs" / "search.md")


def test_every_document_that_help_or_a_message_names_is_there() -> None:
    sources = [path.read_text() for path in (ROOT / "nas").rglob("*.py")]
    names = {name for text in sources for name in SAID.findall(text)}
    assert len(names) >= 6
    assert [name for name in names if not (ROOT / document(name)).exists()] == []
    untold = r"see docs/(?!deploying\.md of hw-nas)"  # what a card says, which is read elsewhere
    assert not [text for text in sources if re.search(untold, text)]


def test_every_extra_that_a_message_names_is_one() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    text = "\n".join(path.read_text() for path in (ROOT / "nas").rglob("*.py"))
    named = set(re.findall(r"install_extra\([\"'](\w+)[\"']\)", text))
    assert len(named) >= 6
    assert named <= set(extras)
    assert "'.[ncnn]'" in install_extra("ncnn")
    assert "hw-nas[" not in text
