"""Studies are kept whole: names, damage, places that cannot be written, and databases."""

from pathlib import Path

import pytest

from nas.errors import NasError
from nas.study import Study, begin, search
from nas.study.storage import Storage


def small(place: Path | str, name: str, trials: int = 4) -> Study:
    return search(
        "jetson",
        ["20M"],
        "small",
        name=name,
        storage=str(place),
        trials=trials,
        proxies=["entropy"],
    )


def test_a_study_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    made = small(tmp_path, "one")
    by_name, by_path = (
        Study.load("one", str(tmp_path)),
        Study.load(str(tmp_path / "one.journal")),
    )
    assert made.records() == by_name.records() == by_path.records()
    assert len(made.records()) == 4
    assert by_name.settings == made.settings
    assert Storage(str(tmp_path)).names() == ["one"]
    assert {p.name for p in tmp_path.iterdir()} == {"one.journal", ".one.lock"}


def test_unknown_taken_and_impossible_names(tmp_path: Path) -> None:
    small(tmp_path, "one")
    with pytest.raises(NasError, match="did you mean 'one'"):
        Study.load("onee", str(tmp_path))
    with pytest.raises(NasError, match="exists"):
        small(tmp_path, "one")
    with pytest.raises(NasError, match="letters, digits"):
        small(tmp_path, "../one")
    assert begin("jetson", ["20M"], "small", storage=str(tmp_path)).name == (
        "small-jetson-agx-xavier-20m"
    )
    assert begin("jetson", ["20M"], "small", storage=str(tmp_path)).name.endswith("20m-2")


def test_half_a_line_at_the_end_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    before = small(tmp_path, "cut").records()
    path = tmp_path / "cut.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-20])
    assert Study.load("cut", str(tmp_path)).records() == before
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["no journal", "null", "[]", "123", '{"op_code":99}'])
def test_a_damaged_journal_is_one_clear_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.journal").write_text(f"{text}\n")
    with pytest.raises(NasError, match=r"damaged|holds no study"):
        Study.load("bad", str(tmp_path))


def test_an_empty_and_a_renamed_journal_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.journal").write_text("")
    with pytest.raises(NasError, match="holds no study"):
        Study.load("empty", str(tmp_path))
    small(tmp_path, "one")
    (tmp_path / "one.journal").rename(tmp_path / "two.journal")
    with pytest.raises(NasError, match=r"holds study 'one': rename it to one\.journal"):
        Study.load("two", str(tmp_path))


def test_a_trial_without_its_facts_is_named(tmp_path: Path) -> None:
    study = small(tmp_path, "one")
    path = tmp_path / "one.journal"
    path.write_text(path.read_text().replace('"macs"', '"mac"', 1))
    with pytest.raises(NasError, match="trial 0 is damaged: KeyError"):
        Study.load(study.name, str(tmp_path)).records()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "studies", tmp_path / "file"):
        with pytest.raises(NasError, match="cannot be kept"):
            small(place, "one")


def test_sqlite_holds_the_same_study(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    stored = small(url, "one")
    journal = small(tmp_path / "folder", "one")
    assert [r.to_dict() for r in Study.load("one", url).records()] == [
        r.to_dict() for r in journal.records()
    ]
    assert stored.storage.names() == ["one"]
    with pytest.raises(NasError, match="cannot be opened"):
        Study.load("one", "nosuch://database")
