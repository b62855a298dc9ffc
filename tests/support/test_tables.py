"""A table is read as it was written, and what is wrong with one is a line that names the row."""

from pathlib import Path

import pytest

from nas.support.errors import NasError
from nas.support.tables import read_csv, write_csv

COLUMNS = ("name", "count")


def one(cells: list[str]) -> tuple[str, int]:
    name, count = cells
    if not count.isdecimal():
        raise NasError(f"count must be a whole number, not {count!r}")
    return name, int(count)


def read(path: Path) -> list[tuple[str, int]]:
    return read_csv(path, "table", COLUMNS, one, lambda row: row[0])


def test_rows_are_read_back(tmp_path: Path) -> None:
    rows = [("a", 1), ('"b", c\nd', 2), ("", 3), ("é ", 4)]
    write_csv(tmp_path / "t.csv", COLUMNS, rows)
    assert read(tmp_path / "t.csv") == rows


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_line_ends_are_those_of_any_system(end: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(end.join([b"name,count", b"a,1", b""]))
    assert read(tmp_path / "t.csv") == [("a", 1)]


def test_columns_may_be_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"count,name\n1,a\n")
    assert read(tmp_path / "t.csv") == [("a", 1)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: the last row has no line end"),
        (b"name,count\na,1", "truncated: the last row has no line end"),
        (b"name,count\n", "it has no rows"),
        (b"\n", "the columns must be name,count, not ''"),
        (b"name,count,count\na,1,1\n", "the columns must be name,count, not 'name,count,count'"),
        (b"\xef\xbb\xbfname,count\na,1\n", r"the columns must be name,count, not '\ufeffname,"),
        (b"name,count\n\xff,1\n", "not UTF-8 text"),
        (b'name,count\n"a,1\n', "not CSV: unexpected end of data"),
        (b'name,count\n"a"b,1\n', "not CSV: ',' expected after '\"'"),
        (b"name,count\na,1\n\nb,2\n", "row 3: 0 cells; the table has 2 columns"),
        (b"name,count\na\n", "row 2: 1 cells; the table has 2 columns"),
        (b"name,count\na,1,\n", "row 2: 3 cells; the table has 2 columns"),
        (b"name,count\na,1\0\n", r"row 2: count must be a whole number, not '1\x00'"),
        (b"name,count\na,1\nb,1\na,2\n", "row 4: repeats row 2"),
    ],
)
def test_a_bad_table_is_one_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(NasError) as caught:
        read(tmp_path / "t.csv")
    assert str(caught.value).startswith(f"table: {message}")
    assert "\n" not in str(caught.value)
