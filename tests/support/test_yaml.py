"""YAML from outside: what is read is plain, what is wrong is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nas.support.errors import NasError
from nas.support.yaml import read_yaml


@pytest.fixture(params=[True, False], ids=["libyaml", "Python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything with either parser."""
    monkeypatch.setattr(yaml, "__with_libyaml__", yaml.__with_libyaml__ and request.param)


def read(folder: Path, text: str) -> object:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path, "file a.yaml")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("a: [1, 0.5, yes, ~, 'x']", {"a": [1, 0.5, True, None, "x"]}),
        ("date: 2001-12-31", {"date": "2001-12-31"}),
        ("not a date: 2001-99-99", {"not a date": "2001-99-99"}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("1: a\n'1': b", {1: "a", "1": "b"}),
    ],
)
def test_plain_data(tmp_path: Path, text: str, data: object) -> None:
    assert read(tmp_path, text) == data


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: key 'a' is there twice"),
        ("b:\n  - {c: 1, c: 1}", "line 2: key 'c' is there twice"),
        ("a: [", "line 1: "),
        ("a: 1\n b: 2", "line 2: "),
        ("a\n---\nb", "line 2: "),
        ("\x00", "special characters are not allowed"),
        ("a: " + "9" * 5000, "is too large"),
        ("a: 0x" + "f" * 5000, "is too large"),
        ("a: 0x10", "0x10 must be a decimal number"),
        ("[" * 5000, "nested too deeply"),
        ("{a: " * 100_000, "nested too deeply"),
        ("&a [*a]", "an alias of what it is in"),
        ("a: *b", "undefined alias"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("!!timestamp 2001-12-31", "could not determine a constructor"),
        ("!!set {a}", "could not determine a constructor"),
        ("!!int x", "'x'"),
        ("!!bool q", "'q'"),
        (r'a: "\uD800"', "half of a character"),
        (r'"\uDC00": 1', "half of a character"),
        ("? [a]\n: b", "unhashable key"),
        ("x: 3\n<<: 3", "expected a mapping"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NasError, match=r"^file a\.yaml: invalid YAML: ") as found:
        read(tmp_path, text)
    assert said in str(found.value)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 300


def test_aliases_of_aliases_are_counted_not_written_out(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    with pytest.raises(NasError, match="more than 100000 values"):
        read(tmp_path, "\n".join(lines))
    assert len(read(tmp_path, "\n".join(lines[:10]))) == 10  # type: ignore[arg-type]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(NasError, match="not UTF-8 text"):
        read_yaml(tmp_path / "a.yaml", "file")
    with pytest.raises(NasError, match="Is a directory"):
        read_yaml(tmp_path, "file")
