"""Labels in a table beside the images."""

from __future__ import annotations

from pathlib import Path

import pytest
from photos import classes, photos

from nas.data import DataSet, load_data
from nas.support.errors import NasError


def counts(data: DataSet) -> tuple[int, int, int]:
    test = 0 if data.test is None else len(data.test.labels)
    return len(data.train.labels), len(data.validation.labels), test


def table(path: Path, rows: list[str], encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(rows) + "\n", encoding=encoding)
    return path


ROWS = [f"images/{i:02}.png,{'cat' if i % 2 else 'dog'}" for i in range(10)]


@pytest.mark.parametrize("head", ["image,label", "file_name,Class", "Image Path,category", None])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_images_and_labels(tmp_path: Path, head: str | None, delimiter: str) -> None:
    photos(tmp_path / "images", 10)
    rows = [row.replace(",", delimiter) for row in ([head] if head else []) + ROWS]
    path = table(tmp_path / "labels.csv", rows, "utf-8-sig")
    data = load_data(path)
    assert (data.classes, counts(data), data.notes) == (("cat", "dog"), (8, 2, 0), ())
    assert load_data(tmp_path).checksum == data.checksum
    assert "labels.csv" in data.understood[0]
    same = [tmp_path / "by_folder" / name for name in ("dog", "cat")]
    for i in range(10):
        same[i % 2].mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / f"{i:02}.png").rename(same[i % 2] / f"x{i}.png")
    assert load_data(tmp_path / "by_folder").checksum == data.checksum


def test_a_split_column(tmp_path: Path) -> None:
    photos(tmp_path / "images", 10)
    parts = ["Train"] * 4 + ["val"] * 2 + ["testing"] * 2 + ["extra", ""]
    rows = [f"{row},{part}" for row, part in zip(ROWS, parts, strict=True)]
    data = load_data(table(tmp_path / "l.csv", ["image,label,split", *rows]))
    assert counts(data) == (5, 2, 2)
    assert "another split than training, validation and test are left out: 1" in data.notes[0]


def test_a_table_a_part_and_names_without_suffix(tmp_path: Path) -> None:
    photos(tmp_path / "train", 6)
    for i in range(4):
        (tmp_path / "test").mkdir(exist_ok=True)
        photos(tmp_path / "new", 4)
        (tmp_path / "new" / f"{i:02}.png").rename(tmp_path / "test" / f"t{i}.png")
    for path in (tmp_path / "new").iterdir():
        path.unlink()
    labels = ["id,breed", *(f"{i:02},{'ab'[i % 2]}" for i in range(6))]
    table(tmp_path / "train_labels.csv", labels)
    table(tmp_path / "sample_submission.csv", ["id,a,b", "t0,0.5,0.5"])
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("a", "b"), (4, 2, 0))
    assert "images without a row in the table are left out: 4 (test/t" in " ".join(data.notes)
    table(tmp_path / "test_labels.csv", ["id,breed", *(f"t{i},{'ab'[i % 2]}" for i in range(4))])
    assert counts(load_data(tmp_path)) == (4, 2, 4)


def test_the_parts_of_flat_folders(tmp_path: Path) -> None:
    photos(tmp_path / "Train", 4)
    photos(tmp_path / "Val", 4)
    rows = [f"{part}/{i:02}.png,{'ab'[i % 2]}" for part in ("Train", "Val") for i in range(4)]
    table(tmp_path / "labels.csv", ["path,label", *rows])
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("a", "b"), (4, 4, 0))


def test_odd_rows_are_counted_and_named(tmp_path: Path) -> None:
    photos(tmp_path / "data" / "images", 10)
    photos(tmp_path / "secret", 1)
    odd = [
        "images/99.png,cat",
        "../secret/00.png,dog,",
        f"{'a' * 5000}.png,dog",
        "images/00.png,cat",
        "images/03.png,",
        "",
        ",",
    ]
    data = load_data(table(tmp_path / "data" / "l.csv", ["image,label", *ROWS, *odd]))
    notes = " ".join(data.notes)
    assert "whose image is not there are left out: 2 (images/99.png, " in notes
    assert "elsewhere are left out (give a folder that holds both): 1 (../secret/00.png)" in notes
    assert len(notes) < 500
    assert "give an image another class are left out: 1 (images/00.png)" in notes
    assert sum(counts(data)) == 10


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a,b,c", "1,2,3"], "has no columns 'image' and 'label'"),
        ([""], "has no columns"),
        (["image,label", "images/00.png,cat"], "two classes are needed, one class, 'cat'"),
        (["image,label", "gone.png,cat"], "two classes are needed, no class"),
    ],
)
def test_tables_that_tell_nothing(tmp_path: Path, rows: list[str], said: str) -> None:
    photos(tmp_path / "images", 2)
    with pytest.raises(NasError, match=said):
        load_data(table(tmp_path / "l.csv", rows))


@pytest.mark.parametrize(
    ("rows", "encoding", "names"),
    [
        (["image;label, or class", *(r.replace(",", ";") for r in ROWS)], "utf-8", ("cat", "dog")),
        ([r.replace(",", ";").replace("cat", "a,b;") for r in ROWS], "utf-8", ("a,b", "dog")),
        (
            ["\timage\tlabel", *(f"{i}\t" + r.replace(",", "\t") for i, r in enumerate(ROWS))],
            "utf-8",
            ("cat", "dog"),
        ),  # pandas' index first
        ([r.replace("cat", "“cat”") for r in ROWS], "cp1252", ("dog", "“cat”")),
    ],
)
def test_tables_as_spreadsheets_write_them(
    tmp_path: Path, rows: list[str], encoding: str, names: tuple[str, str]
) -> None:
    photos(tmp_path / "images", 10)
    assert load_data(table(tmp_path / "l.csv", rows, encoding)).classes == names


def test_a_table_in_a_folder_beside_the_images(tmp_path: Path) -> None:
    photos(tmp_path / "images", 10)
    (tmp_path / "labels").mkdir()
    path = table(tmp_path / "labels" / "l.csv", ["image,label", *(f"../{row}" for row in ROWS)])
    assert counts(load_data(tmp_path)) == (8, 2, 0)
    with pytest.raises(NasError, match=r"give a folder that holds both\): 10 \(../images/00.png"):
        load_data(path)


def test_what_is_not_understood_of_a_table_is_said(tmp_path: Path) -> None:
    photos(tmp_path / "images", 10)
    rows = [f"{row},{i % 3}" for i, row in enumerate(ROWS)]
    path = table(tmp_path / "l.csv", ["image,label,partition", *rows])
    assert "labels or parts too are not taken: 1 (l.csv/partition)" in load_data(path).notes[0]
    table(path, [row.replace(",", ":") for row in ROWS])
    with pytest.raises(NasError, match=r"name none of the images are left out: 1 \(l.csv\)"):
        load_data(tmp_path)


def test_folders_of_classes_come_before_a_table(tmp_path: Path) -> None:
    classes(tmp_path)
    table(tmp_path / "notes.csv", ["image,label", "cat/00.png,x", "dog/00.png,y"])
    assert load_data(tmp_path).classes == ("cat", "dog")
    assert load_data(classes(tmp_path / "é")).classes == ("cat", "dog")


def test_a_quote_that_is_not_closed_is_one_line(tmp_path: Path) -> None:
    photos(tmp_path / "images", 10)
    rows = [*ROWS[:5], ROWS[5].replace(",", ',"'), *ROWS[6:]]
    with pytest.raises(NasError, match=r"l.csv: not CSV: unexpected end of data"):
        load_data(table(tmp_path / "l.csv", rows))


def test_a_header_is_one_beside_an_image_of_its_name(tmp_path: Path) -> None:
    photos(tmp_path / "images", 10)
    (tmp_path / "images/00.png").rename(tmp_path / "images/image.png")
    rows = ["image,label", "images/image.png,dog", *ROWS[1:]]
    assert load_data(table(tmp_path / "l.csv", rows)).classes == ("cat", "dog")
