"""Small copies of public data sets, with their names of folders and files, and what they tell."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from photos import photo

from nas.data import DataSet, data_options, load_data
from nas.support.errors import NasError

Files = Mapping[str, object]  # numbers of images and texts


def make(root: Path, files: Files) -> Path:
    """That many images of each pattern, and files of text."""
    for name, content in files.items():
        if isinstance(content, str):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        else:
            assert isinstance(content, int)
            for i in range(content):
                photo(root / name.format(i), (6, 6))
    return root


def counts(data: DataSet) -> tuple[int, int, int]:
    test = 0 if data.test is None else len(data.test.labels)
    return len(data.train.labels), len(data.validation.labels), test


def rows(head: str, row: str, number: int, **values: str) -> str:
    """A table: `row` with its number `i`, and one of each of the values in turn."""
    chosen = {name: words.split() for name, words in values.items()}
    lines = [
        row.format(i=i, **{name: words[i % len(words)] for name, words in chosen.items()})
        for i in range(number)
    ]
    return "\n".join(([head] if head else []) + lines) + "\n"


FOLDERS: dict[str, tuple[Files, str, tuple[int, int, int]]] = {
    "malaria": (
        {f"cell_images/{x}{c}/C1_{{}}.png": 3 for x in ("", "cell_images/") for c in "PU"},
        "P U", (4, 2, 0),
    ),
    "rps-cv-images": (
        {f"{x}{c}/{{}}.png": 3 for x in ("", "rps-cv-images/") for c in ("paper", "rock")},
        "paper rock", (4, 2, 0),
    ),
    "rps": (
        {f"{x}/{x}/{c}/{{}}.png": 3 for x in ("rps", "rps-test-set") for c in ("paper", "rock")}
        | {"rps-validation-set/{}.png": 3},
        "paper rock", (4, 2, 6),
    ),
    "covid-radiography": (
        {f"COVID-19/{c}/{x}/{{}}.png": 3 for c in ("COVID", "Normal") for x in ("images", "masks")},
        "COVID Normal", (4, 2, 0),
    ),
    "best-artworks": (
        {f"images/images/{c}/{{}}.jpg": 3 for c in "AB"} | {"resized/resized/A_{}.jpg": 3},
        "A B", (4, 2, 0),
    ),
    "mnist-png": ({f"training/{i}/{{}}.png": 2 for i in range(11)},
                  "0 1 2 3 4 5 6 7 8 9 10", (11, 11, 0)),
    "gtsrb": (
        {f"Train/{c}/00_{{}}.png": 3 for c in ("2", "10")} | {"Test/{}.png": 4, "Meta/{}.png": 2}
        | {"Test.csv": rows("Width,Roi.X1,ClassId,Path", "9,5,{c},Test/{i}.png", 4, c="2 10")},
        "2 10", (4, 2, 4),
    ),
    "tiny-imagenet": (
        {f"train/{c}/images/{c}_{{}}.JPEG": 3 for c in ("n01", "n02")}
        | {"val/images/val_{}.JPEG": 4, "words.txt": "n01\tentity\nn02\tthing\n"}
        | {"val/val_annotations.txt": rows("", "val_{i}.JPEG\t{c}\t0\t32\t44", 4, c="n01 n02")},
        "n01 n02", (6, 4, 0),
    ),
    "eurosat": (
        {f"EuroSAT/{c}/{c}_{{}}.jpg": 3 for c in ("Forest", "River")}
        | {f"EuroSAT/{part}.csv": ",Filename,Label,ClassName\n"
           + "".join(f"{i},{c}/{c}_{i}.jpg,{k},{c}\n" for k, c in enumerate(("Forest", "River")))
           for i, part in enumerate(("train", "validation", "test"))},
        "Forest River", (2, 2, 2),
    ),
    "ham10000": (
        {"HAM10000_images_part_1/ISIC_{}.jpg": 3, "HAM10000_images_part_2/ISIC_1{}.jpg": 3,
         "HAM10000_metadata.csv": "lesion_id,image_id,dx,dx_type,age\n"
         + "".join(f"HAM_{i},ISIC_{i},{c},histo,80.0\n"
                   for i, c in zip((0, 1, 2, 10, 11, 12), ("nv", "bcc") * 3, strict=True))},
        "bcc nv", (4, 2, 0),
    ),
    "isic-2019": (
        {"ISIC_Training_Input/ISIC_{}.jpg": 6,
         "GroundTruth.csv": "image,MEL,NV,UNK\n"
         + "".join(f"ISIC_{i},{i % 2}.0,{1 - i % 2}.0,0.0\n" for i in range(6))},
        "MEL NV", (4, 2, 0),
    ),
    "roboflow": (
        {f"{part}/{part}_{{}}.jpg": 4 for part in ("train", "valid")}
        | {f"{part}/_classes.csv": "filename, cat, dog\n"
           + "".join(f"{part}_{i}.jpg, {i % 2}, {1 - i % 2}\n" for i in range(4))
           for part in ("train", "valid")},
        "cat dog", (4, 4, 0),
    ),
    "aptos": (
        {"train_images/{}.png": 6, "test_images/{}.png": 4}
        | {"train.csv": rows("id_code,diagnosis", "{i},{c}", 6, c="0 1"),
           "sample_submission.csv": rows("id_code,diagnosis", "{i},0", 4)},
        "0 1", (4, 2, 0),
    ),
    "retinopathy-resized": (
        {"resized_train/{}_left.jpeg": 6}
        | {"trainLabels.csv": rows("Unnamed: 0,image,level", "{i},{i}_left,{c}", 6, c="0 1")},
        "0 1", (4, 2, 0),
    ),
    "hugging-face": (
        {"train/{}.png": 6, "test/{}.png": 4}
        | {f"{part}/metadata.jsonl": rows("", '{{"file_name": "{i}.png", "label": "{c}"}}', n,
                                          c="cat dog") for part, n in (("train", 6), ("test", 4))},
        "cat dog", (4, 2, 4),
    ),
    "fastai": (
        {"images/{}.png": 6}
        | {"labels.csv": rows("name,label,is_valid", "images/{i}.png,{c},{v}", 6, c="3 7",
                              v="False False False False True True")},
        "3 7", (4, 2, 0),
    ),
    "label-studio": (
        {"images/{}.jpg": 6}
        | {"project.csv": rows("annotation_id,choice,id,image,lead_time",
                               "{i},{c},{i},/data/local-files/?d=images/{i}.jpg,3.2", 6, c="a b")},
        "a b", (4, 2, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_public_data_set_is_understood(tmp_path: Path, name: str) -> None:
    files, classes, wanted = FOLDERS[name]
    data = load_data(make(tmp_path, files))
    assert (data.classes, counts(data)) == (tuple(classes.split()), wanted)


def table(head: str, row: str, **values: str) -> Files:
    return {"images/{}.png": 6, "labels.csv": rows(head, row, 6, **values)}


REFUSED: dict[str, tuple[Files, str]] = {
    "dogs-vs-cats": ({"train/cat.{}.jpg": 3, "train/dog.{}.jpg": 3, "test1/{}.jpg": 2},
                     r"--classes takes as classes: 2 \(cat, dog\)"),
    "plantvillage": ({f"{v}/{c}/{{}}.jpg": 2 for v in ("color", "segmented")
                      for c in ("Apple___scab", "Apple___healthy")}, "hold the same folders"),
    "cub-200": ({f"{v}/{c}/{{}}.jpg": 2 for v in ("CUB/images", "segmentations")
                 for c in ("001.Albatross", "002.Auklet")}, "hold the same folders"),
    "idc": ({f"{p}/{c}/{{}}.png": 2 for p in ("10253", "10254") for c in "01"},
            "hold the same folders"),
    "masks": ({f"{p}/{c}/{{}}.png": 2 for p in ("man", "woman") for c in ("mask", "no_mask")},
              "hold the same folders"),
    "omniglot": ({"images_background/Greek/{}.png": 2, "images_background/Latin/{}.png": 2,
                  "images_evaluation/Atlantean/{}.png": 2},
                 "--split train=images_background --split test=images_evaluation"),
    "parts": ({"scans_part_1/{}.png": 2, "scans_part_2/{}.png": 2}, "hardly classes"),
    "planet": (table("image_name,tags", "{i}.png,{c} primary", c="clear haze"), "several labels"),
    "nih": (table("Image Index,Finding Labels", "{i}.png,{c}", c="Mass Mass|Hernia"),
            "several labels"),
    "celeba": (table("image_id,Bald,Male,Young", "{i}.png,-1,1,{c}", c="1 -1"),
               r"several labels \(Male, Young\)"),
    "cells": (table("image,label", "{i}.png,{c}", c='cat dog "cat,dog"'), "several labels"),
    "lists": (table("image,label", "{i}.png,{c}", c="['cat'] \"['cat','dog']\""), "several labels"),
    "detection": ({"images/{}.png": 3, "a.csv": rows("filename,class,xmin", "{c}", 6,
                   c="0.png,cat,1 0.png,dog,1 1.png,cat,1 1.png,dog,2 2.png,cat,1 2.png,dog,2")},
                  "3 of 3 images have several labels"),
    "regression": (table("image,age", "{i}.png,2{i}.5"), "'age' holds numbers such as 20.5"),
    "two tasks": (table("image,gender,age", "{i}.png,{c},{i}0", c="f m"),
                  "which of its columns gender, age is the class"),
    "two folders": ({f"{n}/{{}}.png": 4 for n in ("old", "new_ones")}
                    | {"all.csv": "image,label\n" + "".join(
                        f"{n}/{i}.png,{'cat' if i % 2 else 'dog'}\n"
                        for n in ("old", "new_ones") for i in range(4))},
                    "tell different classes: give all.csv"),
    "mnist-csv": ({"train.csv": rows("label," + ",".join(f"pixel{i}" for i in range(64)),
                                     "1," + ",".join(["7"] * 64), 3)}, "the values of pixels"),
    "svhn": ({"train_32x32.mat": "MATLAB 5.0"}, "a MATLAB file, which is not read"),
    "tfds": ({"mnist-train.tfrecord-00000-of-00001": "x"}, "a TFRecord file"),
    "dicom": ({"a/1.dcm": "x", "b/2.dcm": "y"}, r"are \.dcm, which Pillow cannot read"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_public_data_set_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    files, said = REFUSED[name]
    with pytest.raises(NasError, match=said):
        load_data(make(tmp_path, files))


def test_every_folder_is_a_class_where_that_is_said(tmp_path: Path) -> None:
    make(tmp_path, FOLDERS["rps-cv-images"][0])
    options = data_options(["none"])
    assert load_data(tmp_path, options=options).classes == ("paper", "rock", "rps-cv-images")


def test_the_names_of_files_tell_classes_that_are_asked_for(tmp_path: Path) -> None:
    make(tmp_path, REFUSED["dogs-vs-cats"][0])
    data = load_data(tmp_path, options=data_options(classes=["dog,cat"]))
    assert (data.classes, counts(data)) == (("dog", "cat"), (4, 2, 0))
    assert "begin with none of the classes are left out: 2 (test1/" in " ".join(data.notes)


def test_classes_beside_one_another_are_one_part(tmp_path: Path) -> None:
    make(tmp_path, {f"{c}_image_sets/{c}_{x}/{{}}.jpg": 3 for c in ("colon", "lung") for x in "an"})
    assert len(load_data(tmp_path).classes) == 2
    options = data_options(["train=colon_image_sets,lung_image_sets"])
    assert load_data(tmp_path, options=options).classes == ("colon_a", "colon_n", "lung_a",
                                                            "lung_n")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "encoding", "text"),
    [
        ("l.csv", "utf-16", "image,label\n{}"),
        ("l.csv", "utf-8", "sep=,\nimage,label\n{}"),
        ("l.csv", "utf-8", "Image Name , Class Label \n{}"),
        ("l.txt", "utf-8", "{}"),
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, name: str, encoding: str, text: str) -> None:
    make(tmp_path, {"images/{}.png": 6})
    body = rows("", "{i}.png,{c}", 6, c="a b")
    (tmp_path / name).write_bytes(text.format(body).encode(encoding))
    assert counts(load_data(tmp_path)) == (4, 2, 0)


@pytest.mark.parametrize(
    "image",
    ["C:\\me\\images\\{i}.png", "https://x.org/a/{i}.png", "{i}.jpg", "/kaggle/images/{i}.PNG"],
)
def test_images_under_other_names(tmp_path: Path, image: str) -> None:
    make(tmp_path, table("image,label", f"{image},{{c}}", c="a b"))
    assert counts(load_data(tmp_path)) == (4, 2, 0)


def test_a_namesake_is_not_taken_for_what_is_gone(tmp_path: Path) -> None:
    make(tmp_path, {"cat/{}.png": 3, "dog/{}.png": 3, "l.csv": "image,label\n" + "".join(
        f"{c}/{i}.png,{c}\n" for c in ("cat", "dog") for i in range(3))})  # fmt: skip
    (tmp_path / "cat" / "2.png").unlink()
    data = load_data(tmp_path / "l.csv")
    assert sum(counts(data)) == 5
    assert "whose image is not there are left out: 1 (cat/2.png)" in data.notes[-1]


def test_the_same_names_in_train_and_test(tmp_path: Path) -> None:
    make(tmp_path, {"train/{}.png": 6, "test/{}.png": 4})
    (tmp_path / "trainLabels.csv").write_text(rows("id,label", "{i},{c}", 6, c="frog ship"))
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("frog", "ship"), (4, 2, 0))
    (tmp_path / "test.csv").write_text(rows("id,label", "{i},{c}", 4, c="frog ship"))
    assert counts(load_data(tmp_path)) == (4, 2, 4)


def test_columns_that_say_less_are_named(tmp_path: Path) -> None:
    make(tmp_path, table("image,target,diagnosis", "{i}.png,{t},{d}", t="0 1", d="nevus"))
    data = load_data(tmp_path)
    assert data.classes == ("0", "1")
    assert "labels or parts too are not taken: 1 (labels.csv/diagnosis)" in " ".join(data.notes)
    make(tmp_path, table("image,label,label_name", "{i}.png,{t},{d}", t="0 1", d="ant bee"))
    assert load_data(tmp_path).classes == ("ant", "bee")


def test_what_cannot_be_read_is_told_by_its_content(tmp_path: Path) -> None:
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch.parent.mkdir()
    batch.write_bytes(pickle.dumps([1]))
    with pytest.raises(NasError, match="is a pickle, which is code and never loaded"):
        load_data(tmp_path)
    shutil.copy(photo(tmp_path / "a.png"), tmp_path / "cifar-10-batches-py" / "a")
    (tmp_path / "a.png").unlink()
    with pytest.raises(NasError, match="a is an image, and has no suffix"):
        load_data(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    with pytest.raises(NasError, match=r"a\.zip is an archive: unpack it"):
        load_data(tmp_path / "a.zip")
