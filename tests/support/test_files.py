"""What is read is an ordinary file, and what a file names is in its own folder. Files are written
whole, and a new name goes to one process, on file systems of either kind."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.support.errors import NasError
from nas.support.files import file_name, inside, read_bytes, read_text, rename_new, write_whole


def test_an_ordinary_file_is_read_and_nothing_else(tmp_path: Path) -> None:
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_bytes(b"a\r\nb")
    os.mkfifo(pipe)
    assert read_bytes(plain, "it") == b"a\r\nb"
    assert read_text(plain, "it") == "a\nb" == plain.read_text(encoding="utf-8")
    for path, said in (
        (pipe, "no ordinary file"),
        (Path("/dev/zero"), "no ordinary file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (Path("a\0b"), "no name of a file"),
        (Path("a\ud800b"), "no name of a file"),
    ):
        with pytest.raises(NasError, match=f"^it: {said}"):
            read_text(path, "it")


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NasError, match=r"^it: larger than the 4 KiB"):
        read_bytes(path, "it", 1 << 12)


@pytest.mark.parametrize(
    "name",
    ["../victim", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\0", "a\nb", "C:\\x"],
)
def test_a_stored_name_is_one_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(NasError, match=r"^it: .* is no plain name of a file in"):
        inside(tmp_path, name, "it")


def test_a_link_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "victim").write_text("")
    (folder / "out").symlink_to(tmp_path / "victim")
    (folder / "dangling").symlink_to("../none")
    (folder / "within").symlink_to("none")
    (tmp_path / "other").symlink_to(folder)
    for name in ("out", "dangling"):
        with pytest.raises(NasError, match="is a link that leads out of its folder"):
            inside(folder, name, "it")
    assert inside(folder, "within", "it") == folder / "within"
    assert inside(tmp_path / "other", "within", "it") == tmp_path / "other" / "within"


@given(st.text(st.characters(), max_size=150))
def test_a_file_name_is_plain_and_tells_texts_apart(text: str) -> None:
    name = file_name(text)
    assert inside(Path("/nowhere"), name, "it") == Path("/nowhere") / name
    assert name.isascii()
    assert file_name(name) == name
    assert file_name(f"{text}/") != name


def test_a_plain_name_stays() -> None:
    assert file_name("small-jetson-300M_2+x.1") == "small-jetson-300M_2+x.1"
    assert file_name("../../evil").startswith("evil-")


@pytest.fixture(params=["hard links", "none"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, also one whose file system answers as exFAT does."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "none":
        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(os, "chmod", refuse)
        monkeypatch.setattr(Path, "chmod", refuse)
    return tmp_path


def test_a_new_name_goes_to_exactly_one_of_many_that_want_it(folder: Path) -> None:
    def take(number: int) -> bool:
        part = folder / f"part{number}"
        part.write_text(str(number))
        try:
            rename_new(part, folder / "name")
        except FileExistsError:
            return False
        return not part.exists()

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(32)))
    assert taken.count(True) == 1
    assert (folder / "name").read_text() == str(taken.index(True))


def test_a_file_is_replaced_whole_with_the_users_own_mode(folder: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_whole(folder / "a" / "file", "one")
        write_whole(folder / "a" / "file", b"two")
    finally:
        os.umask(mask)
    assert [p.name for p in (folder / "a").iterdir()] == ["file"]
    assert (folder / "a" / "file").read_text() == "two"
    assert (folder / "a" / "file").stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(folder: Path) -> None:
    (folder / "taken").mkdir()
    with pytest.raises(NasError, match="taken cannot be written: Is a directory"):
        write_whole(folder / "taken", "text")
    assert [p.name for p in folder.iterdir()] == ["taken"]


# Ends as if it were killed between the temporary file and the rename.
KILLED = """
import os, sys
from pathlib import Path
from nas.support import files
Path.replace = lambda *paths: os._exit(9)
files.write_whole(Path(sys.argv[1]), "half")
"""


def test_what_a_killed_writer_left_is_removed_and_a_live_one_s_is_not(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for _ in range(2):
        assert (
            subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
        )
    live, dead = sorted(tmp_path.iterdir())
    past = time.time() - 60
    for left in (live, dead):
        os.utime(left, (past, past))
    with live.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        write_whole(path, "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"file.json", live.name}
    write_whole(path, "again")
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]
    assert path.read_text() == "again"
