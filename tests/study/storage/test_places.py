"""Places of studies themselves, without a search: names, URLs, journals, claims."""

from __future__ import annotations

import os
from pathlib import Path

import optuna
import pytest
from optuna.study import StudyDirection

from nas.study.storage.log import Cursor
from nas.study.storage.storage import Storage, locate
from nas.support.errors import NasError

DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


def places(folder: Path) -> dict[str, str]:
    return {
        "folder": str(folder / "deep" / "studies"),
        "path": f"sqlite:///{folder / 'a.db'}",
        "file": f"sqlite:///file:{folder / 'b.db'}?uri=true",
    }


@pytest.mark.parametrize("kind", ["folder", "path", "file"])
def test_a_study_is_found_again_with_all_that_it_was_made_with(kind: str, tmp_path: Path) -> None:
    place = places(tmp_path)[kind]
    assert Storage(place).names() == []
    for name in ("two", "one"):
        Storage(place).create(name, {"a": [1], "b": "x"}, DIRECTIONS)
    again = Storage(place)
    assert again.names() == ["one", "two"]
    assert again.optuna_study("one").directions == DIRECTIONS
    assert again.log("one").attributes() == {"a": [1], "b": "x"}
    again.log("one").add(optuna.trial.create_trial(values=[1, 2]))
    assert [len(list(again.log(name).trials(Cursor()))) for name in ("one", "two")] == [1, 0]
    assert [len(Storage(place).optuna_study(name).trials) for name in ("one", "two")] == [1, 0]
    with pytest.raises(
        NasError, match=r"study 'one' exists in .*; go on with it: nas resume one --storage "
    ):
        again.create("one", {}, DIRECTIONS)
    with pytest.raises(NasError, match="'thre' is unknown"):
        again.log("thre")


def test_a_database_in_memory_holds_studies_for_as_long_as_it_is_open() -> None:
    storage = Storage("sqlite://")
    storage.create("one", {}, DIRECTIONS)
    assert storage.names() == ["one"]
    with storage.driven("one") as (claim, alone):
        assert alone(lambda: claim.number) == 0


def test_only_a_folder_has_journals(tmp_path: Path) -> None:
    folder, path, _ = places(tmp_path).values()
    assert Storage(folder).journal("one") == Path(folder) / "one.journal"
    assert Storage(path).journal("one") is None


@pytest.mark.parametrize("name", ["a", "Z9", "a.b_c+d-e", "a" * 100])
def test_names_that_a_study_may_have(name: str, tmp_path: Path) -> None:
    Storage(str(tmp_path)).create(name, {}, DIRECTIONS)
    assert Storage(str(tmp_path)).names() == [name]
    assert [p.name for p in tmp_path.iterdir()] == [f"{name}.journal"]


@pytest.mark.parametrize("name", ["", "a" * 101, ".a", "-a", "a/b", "a b", "a\n"])
def test_names_that_a_study_may_not_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(NasError, match="letters, digits and"):
        Storage(str(tmp_path)).create(name, {}, DIRECTIONS)
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_process_left_of_a_study_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f".one.{os.getpid()}.part").write_text("garbage")
    Storage(str(tmp_path)).create("one", {"a": 1}, DIRECTIONS)
    assert Storage(str(tmp_path)).log("one").attributes() == {"a": 1}


def test_drivers_of_one_study_have_numbers_of_their_own(tmp_path: Path) -> None:
    """A database file's are the same through either URL of it."""
    for place in (str(tmp_path), f"sqlite:///{tmp_path / 'a.db'}"):
        other = place.replace("///", "///file:") + "?uri=true" if "://" in place else place
        first, second = Storage(place), Storage(other)
        first.create("one", {}, DIRECTIONS)
        with first.driven("one") as a, second.driven("one") as b, first.driven("two") as c:
            assert [each.claim.number for each in (a, b, c)] == [0, 1, 0]
            assert [each.alone(lambda: "done") for each in (a, b)] == ["done", "done"]
        with second.driven("one") as again:
            assert again.claim.number == 0
    assert (tmp_path / ".a.db.one.lock").exists()


def test_the_default_place_is_the_environment_s_and_then_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_STORAGE", raising=False)
    assert Storage().folder == Path("studies")
    monkeypatch.setenv("NAS_STORAGE", str(tmp_path / "mine"))
    assert Storage().folder == tmp_path / "mine"
    assert Storage("given").folder == Path("given")


def test_a_study_is_located_by_name_or_by_its_journal() -> None:
    def found(study: str, place: str | None) -> tuple[str, str]:
        storage, name = locate(study, place)
        return storage.location, name

    assert found("deep/one.journal", None) == ("deep", "one")
    assert found("one", "there") == ("there", "one")
    assert found("one.journal", "there") == ("there", "one.journal")


def test_a_storage_is_shown_without_its_password() -> None:
    assert str(Storage("postgresql://me:secret@host/nas")) == "'postgresql://me:***@host/nas'"
    assert str(Storage("here")) == "'here'"


@pytest.mark.parametrize("url", ["sqlite://host:port/x", "://x"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(NasError, match="is no URL of a database"):
        Storage(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nosuch://database", "cannot be opened: .*nosuch"),
        ("sqlite:////proc/nowhere/x.db", "cannot be opened: unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_opened_is_one_line(url: str, said: str) -> None:
    with pytest.raises(NasError, match=said) as caught:
        Storage(url).create("one", {}, DIRECTIONS)
    assert "\n" not in str(caught.value)


def test_a_study_that_cannot_be_driven_says_that_it_is_kept(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path / "studies"))
    with (
        pytest.raises(
            NasError, match=r"study 'one' in .* cannot be written: No such file or dir.*"
        ),
        storage.driven("one"),
    ):
        pass
    storage.create("one", {}, DIRECTIONS)
    with storage.driven("one") as (_, alone):
        for path in storage.folder.iterdir():
            path.unlink()
        storage.folder.rmdir()
        with pytest.raises(NasError, match="every trial it has is kept"):
            alone(list)
