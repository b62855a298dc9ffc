"""Packed images are those of a folder with the same files."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photos import classes
from PIL import Image

from nas.data import DataSet, data_options, load_data, packed
from nas.data.columns import label_of
from nas.support.errors import NasError
from nas.testing.readers import check_reader


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def photographs(root: Path) -> Path:
    for part, number in (("train", 6), ("val", 3)):
        classes(root / part, "cat dog", number)
    return root


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def tars(root: Path, folder: Path, labels: str) -> Path:
    folder.mkdir()
    for part in root.iterdir():
        with tarfile.open(folder / f"{part.name}-000.tar", "w") as archive:
            for path in sorted(part.rglob("*.png")):
                name = path.parent.name
                key = f"../{name}{path.stem}"  # what a name says is never where it is unpacked
                add(archive, f"{key}.seg.png" if labels == ".json" else f"{key}.png",
                    path.read_bytes())  # fmt: skip
                said = json.dumps({"label": name}) if labels == ".json" else name
                add(archive, f"{key}{labels}", said.encode())
            add(archive, "zz.png", b"an image without a label")
    return folder


def same(a: DataSet, b: DataSet) -> bool:
    return a.checksum == b.checksum and all(
        np.array_equal(np.asarray(x.pixels), np.asarray(y.pixels))
        and np.array_equal(x.labels, y.labels)
        for x, y in ((a.train, b.train), (a.validation, b.validation))
    )


@pytest.mark.parametrize("labels", [".cls", ".json"])
def test_tars_are_the_folder(tmp_path: Path, labels: str, cache: Path) -> None:
    root = photographs(tmp_path / "photos")
    folder = tars(root, tmp_path / "tars", labels)
    (cache / "unpacked-left").mkdir(parents=True)  # of a process that was killed
    data = load_data(folder)
    assert same(data, load_data(root))
    assert not list(cache.iterdir())
    assert len(list(tmp_path.iterdir())) == 3  # nothing was unpacked elsewhere
    check_reader("webdataset", folder)
    assert data.understood[0].split()[:2] == ["train", "train-000.tar"]


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    root = classes(tmp_path / "photos", "10 9 2", 4)
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            add(archive, f"{path.parent.name}-{path.stem}.png", path.read_bytes())
            add(archive, f"{path.parent.name}-{path.stem}.cls", path.parent.name.encode())
    assert load_data(tmp_path / "all.tar").classes == ("2", "9", "10")
    chosen = load_data(tmp_path / "all.tar", options=data_options(classes=["9,2"]))
    assert chosen.classes == ("9", "2")


def test_folders_tell_the_part_of_files_that_do_not(tmp_path: Path) -> None:
    root = photographs(tmp_path / "photos")
    named = tars(root, tmp_path / "named", ".cls")
    for part in ("train", "val"):
        (tmp_path / "hub" / "default" / part).mkdir(parents=True)
        (named / f"{part}-000.tar").rename(tmp_path / "hub" / "default" / part / "0000.tar")
    (tmp_path / "hub" / "default" / "unlabeled-0.tar").symlink_to("train/0000.tar")
    data = load_data(tmp_path / "hub")
    assert same(data, load_data(root))
    assert data.understood[1].split()[:2] == ["validation", "default/val/0000.tar"]
    told = " ".join(data.notes)
    assert "images without a class are left out: 1 (default/unlabeled-0.tar)" in told
    assert "without a label are left out: 2 (default/train/0000.tar/12.png, " in told


def test_what_lies_beside_a_samples_image_is_not_taken(tmp_path: Path) -> None:
    root = classes(tmp_path / "photos", "cat dog", 4)
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            key = f"{path.parent.name}-{path.stem}"
            for name in (f"._{key}.png", f"._{key}.cls"):  # as macOS writes them
                add(archive, name, b"Mac OS X")
            depth = Image.fromarray(np.zeros((5, 5), np.uint8))
            written = io.BytesIO()
            depth.save(written, "png")
            add(archive, f"{key}.depth.png", written.getvalue())
            add(archive, f"{key}.png", path.read_bytes())
            add(archive, f"{key}.mask.png", written.getvalue())
            add(archive, f"{key}.cls", path.parent.name.encode())
    assert same(load_data(tmp_path / "all.tar"), load_data(root))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([[0], [1], [0, 1], [1]], "'label' holds several labels an image"),
        ([0.5, 1.0, 2.0, 3.0], "'label' holds values such as 0.5, which are no classes"),
        (
            [None] * 4,
            "x.parquet: no row has a label; .*without a label are left out: 4 .x.parquet/0.png,",
        ),
    ],
)
def test_labels_that_are_no_classes(tmp_path: Path, labels: list[object], said: str) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    images = [path.read_bytes() for path in photographs(tmp_path / "p").rglob("*.png")][:4]
    parquet.write_table(pyarrow.table({"image": images, "label": labels}), tmp_path / "x.parquet")
    with pytest.raises(NasError, match=said):
        load_data(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["x.tar", "x.parquet"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(b"not what it seems" * 100)
    with pytest.raises(NasError, match=name):
        load_data(tmp_path / name)
    with pytest.raises(NasError, match="--split is for folders"):
        load_data(tmp_path / name, options=data_options(["none"]))


def test_parquet_is_the_folder(tmp_path: Path, cache: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    root = photographs(tmp_path / "photos")
    (tmp_path / "hub" / "data").mkdir(parents=True)
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    for part, name in (("train", "train"), ("val", "validation")):
        paths = sorted((root / part).rglob("*.png"))
        table = pyarrow.table({
            "image": [{"bytes": p.read_bytes(), "path": p.name} for p in paths],
            "label": [["cat", "dog"].index(p.parent.name) for p in paths],
        }).replace_schema_metadata(about)  # fmt: skip
        parquet.write_table(table, tmp_path / "hub" / "data" / f"{name}-00000-of-00001.parquet")
    data = load_data(tmp_path / "hub")
    assert same(data, load_data(root))
    assert data.classes == ("cat", "dog")
    assert not list(cache.iterdir())
    check_reader("parquet", tmp_path / "hub")


def test_a_tar_that_is_cut_off_at_a_header_is_no_whole_one(tmp_path: Path) -> None:
    whole = tars(photographs(tmp_path / "p"), tmp_path / "tars", ".cls") / "train-000.tar"
    with tarfile.open(whole) as archive:
        ends = archive.getmembers()[8].offset
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:ends])
    with pytest.raises(NasError, match=r"cut.tar: it is cut off"):
        load_data(tmp_path / "cut.tar")


def test_a_new_folder_is_nothing_that_another_process_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tars(photographs(tmp_path / "p"), tmp_path / "tars", ".cls")
    make, others = tempfile.mkdtemp, list[threading.Thread]()

    def cleans_up() -> None:
        with packed._folder():
            pass

    def made(**options: Any) -> str:
        folder = str(make(**options))
        if not others:  # another begins just then: its locks are its own, as a process's are
            others.append(threading.Thread(target=cleans_up))
            others[0].start()
            others[0].join(1)
        return folder

    monkeypatch.setattr(packed, "mkdtemp", made)
    assert load_data(tmp_path / "tars").classes == ("cat", "dog")
    others[0].join(60)
    assert not others[0].is_alive()


def test_one_value_is_one_class_in_every_packed_file() -> None:
    named = {b"cat": "cat", " cat ": "cat", 3.0: "3", 0: "0", "nan": "", " ": "", None: ""}
    assert {value: label_of(value) for value in named} == named
    assert label_of(float("nan")) == ""
    assert label_of(0.5) is None
    assert label_of([1]) is None
