"""Somebody else's database or folder of studies: names are no paths, damage is one line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Run
from fuzz.samples import dump
from tiny import TINY

from nas.study import Study, search
from nas.study.finalists import finalists_folder, read_finalists, run_finalists
from nas.support.errors import NasError
from nas.support.files import file_name
from nas.training import Recipe

URL = "sqlite:///nas.db"
NAMES = ("../../evil", "/tmp/abs/x", "a\nb", "\x1b[31m", "..", ".hidden", "-x", "a" * 300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study in a database."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        search("jetson", ["15M"], "small", name="s", storage=URL, trials=2, proxies=["entropy"])
    return folder


@pytest.fixture
def stored(finished: Path, tmp_path: Path, run: Run) -> Callable[..., None]:
    """A study in a database, and how to change the database."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)

    def change(statement: str, *values: object) -> None:
        with sqlite3.connect("nas.db") as connection:
            connection.execute(statement, values)

    return change


@pytest.mark.parametrize("name", NAMES)
def test_a_name_from_a_database_is_no_path(
    stored: Callable[..., None], run: Run, tmp_path: Path, name: str
) -> None:
    stored("UPDATE studies SET study_name = ?", name)
    outside = {*tmp_path.parent.iterdir()}
    words = ["--storage", URL] if name != "-x" else ["--storage", URL, "--"]
    code, out, err = run("export", *words, name)
    assert (code, err) == (0, "")
    assert (tmp_path / f"{file_name(name)}.onnx").exists()
    assert all(line.isprintable() for line in out.split("\n"))
    code, out, err = run("resume", "--trials", "1", *words, name)
    assert code == 0, err
    folder = finalists_folder(Study.load(name, URL))
    assert folder.parent == Path("studies") / f"{file_name(name)}.finalists"
    assert {*tmp_path.parent.iterdir()} == outside
    files = {path.name for path in tmp_path.rglob("*")}
    assert all(file.isprintable() for file in files)
    code, out, _ = run("studies", "--storage", URL)
    assert code == 0
    assert all(line.isprintable() for line in out.split("\n"))


WRONG: tuple[object, ...] = (None, "x", [], {}, 10**9, "../../evil")
DAMAGE = ("", "{", "null", "[]", '"\\ud800"', "1e999", '{"a": 1}', "\x00")


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "column",
    [
        ("study_user_attributes", "value_json"),
        ("trial_user_attributes", "value_json"),
        ("trial_params", "distribution_json"),
    ],
    ids=lambda column: column[0],
)
def test_damaged_rows_of_a_database_are_one_line(
    stored: Callable[..., None], run: Run, column: tuple[str, str], damage: str
) -> None:
    stored(f"UPDATE {column[0]} SET {column[1]} = ?", damage)
    for words in (["show", "s", "--json"], ["resume", "s", "--trials", "1"], ["export", "s"]):
        code, out, err = run(*words, "--storage", URL)
        assert code in (0, 2)
        assert "Traceback" not in err
        if code == 2:
            assert (out, err.count("\n")) == ("", 1) or words[0] == "resume"
    assert run("studies", "--storage", URL)[0] == 0


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study with finalists to train."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(dump({**TINY, "resolution": [8]}))
    recipe = Recipe(epochs=1, images=64, batch_size=32)
    options = {"name": "s", "proxies": ["entropy"], "data": "digits", "finalists": 2}
    return search("jetson", space="tiny.yaml", trials=4, recipe=recipe, **options)  # type: ignore[arg-type]


def attribute(line: dict[str, object], name: str, value: object) -> dict[str, object]:
    attributes = line.get("user_attr")
    if isinstance(attributes, dict) and name in attributes:
        return {**line, "user_attr": {**attributes, name: value}}
    return line


def test_a_damaged_journal_of_finalists_is_one_line(study: Study) -> None:
    run_finalists(study)
    path = finalists_folder(study) / "optuna.journal"
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    changes = [
        [attribute(line, name, value) for line in lines]
        for name in ("hash", "accuracy", "loss", "epochs")
        for value in WRONG
    ]
    changes += [[line for line in lines if name not in str(line)] for name in ("loss", "values")]
    broken = ["\n".join(map(json.dumps, change)) + "\n" for change in changes]
    broken += [text[: len(text) // 2] + "\n", "{\n" + text, "null\n", "[]\n", '{"op_code": 99}\n']
    refused = 0
    for content in broken:
        path.write_text(content)
        try:
            read_finalists(Study.load("s"))
        except NasError as error:
            refused += 1
            assert "\n" not in str(error)
    harmless = 3 + 2  # a number for a number; a hash of none of the networks, which is left out
    assert refused >= len(changes) - harmless


def test_the_folder_of_a_finalist_is_no_link_out(study: Study, tmp_path: Path) -> None:
    folder = finalists_folder(study)
    folder.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.mkdir()
    for record in study.pareto():
        (folder / f"trial-{record.trial}").symlink_to(victim)
    with pytest.raises(NasError, match="is a link that leads out of its folder"):
        run_finalists(study)
    assert not [*victim.iterdir()]
