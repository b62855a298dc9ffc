"""Files are written whole, and a new name goes to one process, on file systems of either kind."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nas.support.errors import NasError
from nas.support.files import rename_new, write_whole


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
