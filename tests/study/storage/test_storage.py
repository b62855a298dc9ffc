"""Studies are kept whole: names, damage, places that cannot be written, and databases."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from commands import Run
from optuna.study import StudyDirection
from sqlalchemy import event

from nas.space.files import SHIPPED
from nas.study import Driver, Study, begin, search
from nas.study.notices import notices
from nas.study.storage.storage import Storage
from nas.study.trials import SETTINGS
from nas.support.errors import NasError


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
    assert {p.name for p in tmp_path.iterdir()} == {
        "one.journal",
        "one.yaml",
        ".one.lock",
        ".one.driver0",
    }


def test_unknown_taken_and_impossible_names(tmp_path: Path) -> None:
    small(tmp_path, "one")
    with pytest.raises(NasError, match="did you mean 'one'"):
        Study.load("onee", str(tmp_path))
    with pytest.raises(NasError, match="exists"):
        begin("jetson", ["20M"], "small", name="one", storage=str(tmp_path))
    assert small(tmp_path, "one").tally().trials == 4  # the same search is gone on with
    for name in ("../one", ""):
        with pytest.raises(NasError, match="letters, digits"):
            small(tmp_path, name)
    assert begin("jetson", ["20M"], "small", storage=str(tmp_path)).name == (
        "small-jetson-agx-xavier-20m"
    )
    assert begin("jetson", ["20M"], "small", storage=str(tmp_path)).name.endswith("20m-2")


def test_half_a_line_at_the_end_is_said_and_dropped_and_nothing_else(tmp_path: Path) -> None:
    before = small(tmp_path, "cut", 6)
    path = tmp_path / "cut.journal"
    whole = path.read_bytes()
    *_, last = whole.splitlines(keepends=True)
    for length in (1, 100, len(last) - 1):
        path.write_bytes(whole[: len(whole) - len(last) + length])
        cut = Study.load("cut", str(tmp_path))
        assert [r.trial for r in cut.records()] == [0, 1, 2, 3, 4]
        assert notices(cut) == [
            "the journal of study 'cut' ends in half a line; every trial before it is kept, and "
            "what was being stored is evaluated again"
        ]
        Driver(cut).run(6)
        assert cut.records() == before.records()
        assert notices(cut) == []
        assert all(line.endswith(b"}\n") for line in path.read_bytes().splitlines(keepends=True))


def test_an_empty_line_at_the_end_is_no_damage_and_does_not_stay(tmp_path: Path) -> None:
    before = small(tmp_path, "edited", 4)
    path = tmp_path / "edited.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\n")
    edited = Study.load("edited", str(tmp_path))
    assert edited.records() == before.records()
    assert notices(edited) == []
    Driver(edited).run(6)
    assert path.read_bytes().startswith(whole + b'{"op_code"')
    assert len(Study.load("edited", str(tmp_path)).records()) == 6


def test_an_empty_line_in_the_middle_hides_no_trial(tmp_path: Path) -> None:
    before = small(tmp_path, "edited", 4).records()
    path = tmp_path / "edited.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-2], b"\n", *lines[-2:]]))
    edited = Study.load("edited", str(tmp_path))
    assert edited.records() == before
    Driver(edited).run(6)
    assert len(Study.load("edited", str(tmp_path)).records()) == 6


def test_a_disk_that_is_full_ends_the_search_and_keeps_all_trials(tmp_path: Path) -> None:
    study = small(tmp_path, "full", 3)
    path = tmp_path / "full.journal"
    before, allowed = study.records(), path.stat().st_size + 20_000
    code = f"""
import resource
from nas.study import Driver, Study
resource.setrlimit(resource.RLIMIT_FSIZE, ({allowed}, {allowed}))
Driver(Study.load("full", {str(tmp_path)!r})).run(50)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *_, said = ended.stderr.splitlines()
    assert "study 'full'" in said
    assert said.endswith("cannot be written: File too large; every trial it has is kept")
    kept = Study.load("full", str(tmp_path))
    assert kept.records()[:3] == before
    assert len(kept.records()) > 3
    assert notices(kept) == []
    Driver(kept).run(50)
    assert [r.trial for r in kept.records()] == list(range(50))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own, which takes root's rights to make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_is_one_line(mounted: Path, run: Run) -> None:
    words = ("--target", "jetson", "--budget", "20M", "--space", "small", "--proxies", "entropy")
    place = ("--storage", str(mounted))
    code, _, err = run("search", *words, *place, "--study", "s", "--trials", "1000")
    assert code == 2
    assert err.splitlines()[-1] == (
        f"nas: study 's' in '{mounted}' cannot be written: No space left on device; "
        "every trial it has is kept"
    )
    kept = Study.load("s", str(mounted)).records()
    assert [r.trial for r in kept] == list(range(len(kept)))
    code, _, err = run("resume", "s", *place)
    assert (code, len(kept)) == (2, len(Study.load("s", str(mounted)).records()))
    code, _, err = run("search", *words, *place, "--study", "t")
    assert code == 2
    assert re.fullmatch(r"nas: .*: No space left on device\n", err)
    assert len(Study.load("s", str(mounted)).records()) == len(kept)


def test_a_read_only_folder_is_one_line(mounted: Path, run: Run) -> None:
    small(mounted, "s", 2)
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    assert len(Study.load("s", str(mounted)).records()) == 2
    code, _, err = run("resume", "s", "--storage", str(mounted), "--trials", "1")
    assert (code, err.splitlines()[-1]) == (
        2,
        f"nas: study 's' in '{mounted}' cannot be written: Read-only file system; "
        "every trial it has is kept",
    )
    words = ("--target", "jetson", "--space", "small", "--storage", str(mounted))
    code, _, err = run("search", *words)
    assert code == 2
    assert err == f"nas: studies cannot be kept in '{mounted}': Read-only file system\n"
    assert run("show", "s", "--storage", str(mounted))[0] == 0


def test_a_study_of_a_newer_version_is_not_touched(tmp_path: Path, run: Run) -> None:
    study = small(tmp_path, "new")
    path = tmp_path / "new.journal"
    newer = study.settings.model_dump_json().replace('"version":"', '"invented":1,"version":"9')
    study.optuna.set_user_attr(SETTINGS, newer)
    before = path.read_bytes()
    for command in ("resume", "show"):
        code, out, err = run(command, "new", "--storage", str(tmp_path))
        assert (code, out) == (2, "")
        assert re.fullmatch(
            r"nas: study 'new' was made by hw-nas 9\S+, newer than this \S+: upgrade hw-nas\n", err
        )
    assert path.read_bytes() == before


def test_a_space_file_that_changed_is_said_and_the_study_goes_on_with_its_own(
    tmp_path: Path, run: Run
) -> None:
    space = tmp_path / "mine.yaml"
    text = (SHIPPED / "small.yaml").read_text()
    space.write_text(text)
    words = ("--target", "jetson", "--proxies", "entropy", "--study", "s", "--trials", "2")
    assert run("search", "--space", str(space), *words)[0] == 0
    before = Study.load("s").space
    code, _, err = run("resume", "s", "--trials", "1")
    assert code == 0
    assert "has changed" not in err
    space.write_text(text + "# a comment\n")
    code, _, err = run("resume", "s", "--trials", "1")
    assert code == 0
    assert (
        f"space file {space} has changed since study 's' began; it goes on with the space that it "
        "holds\n" in err
    )
    assert Study.load("s").space.to_dict() == before.to_dict()
    code, _, err = run("search", "--space", str(space), *words)
    assert code == 2
    assert "study 's' is of another search: space file" in err
    space.unlink()
    assert run("resume", "s", "--trials", "1")[0] == 0


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


@pytest.mark.parametrize("line", ["garbage\n", '{"op_code": 5\n'])
def test_a_damaged_last_line_is_refused_before_anything_follows_it(
    line: str, tmp_path: Path
) -> None:
    small(tmp_path, "last")
    path = tmp_path / "last.journal"
    with path.open("a") as file:
        file.write(line)
    before = path.read_bytes()
    with pytest.raises(NasError, match=r"study 'last' in .*: damaged journal"):
        Study.load("last", str(tmp_path))
    assert path.read_bytes() == before


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


def test_a_database_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    url = f"sqlite:///file:{tmp_path / 'nas.db'}?uri=true"
    small(url, "one")
    with pytest.raises(NasError, match=r"'two' in .* cannot be written: .*readonly database"):
        small(f"{url}&mode=ro", "two")


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


def test_a_study_in_a_database_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Killed at each statement of its creation, it is not there, or has all its attributes."""
    url = f"sqlite:///{tmp_path / 's.db'}"
    attributes, kept = {"a": [1], "b": "two"}, 0
    Storage(url).names()  # makes the tables
    for moment in range(12):
        storage, seen = Storage(url), count()

        def killed(*_: object, seen: Iterator[int] = seen, moment: int = moment) -> None:
            if next(seen) == moment:
                raise KeyboardInterrupt

        engine = storage.optuna_storage("").engine  # type: ignore[attr-defined]
        event.listen(engine, "before_cursor_execute", killed)
        with suppress(KeyboardInterrupt):
            storage.create(f"s{moment}", attributes, [StudyDirection.MAXIMIZE], ["score"])
        if f"s{moment}" in Storage(url).names():
            kept += 1
            assert Storage(url).log(f"s{moment}").attributes() == attributes
    assert 0 < kept < 12


def test_looking_for_a_study_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"study in .* 'one' is unknown"):
        Study.load("one", f"sqlite:///{tmp_path / 'mistyped.db'}")
    assert list(tmp_path.iterdir()) == []
