"""Splits and classes are told apart in folders as people have them."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from photos import classes, photo, photos

from nas.data import DataSet, data_options, load_data
from nas.data.parts import part_of
from nas.support.errors import NasError


def counts(data: DataSet) -> tuple[int, int, int]:
    test = 0 if data.test is None else len(data.test.labels)
    return len(data.train.labels), len(data.validation.labels), test


def told(data: DataSet) -> str:
    return "\n".join((*data.understood, *data.notes))


SPLITS = [
    ("train", "val", "test"),
    ("Train", "Val", "Test"),
    ("TRAIN", "VALID", "TEST"),
    ("training", "validation", "testing"),
    ("seg_train", "seg_dev", "seg_test"),
    ("train_set", "val_set", "test_set"),
    ("trainset", "validset", "testset"),
    ("TrainImages", "ValImages", "TestImages"),
    ("TRAINset", "VALset", "TESTset"),
    ("training-data", "validation-data", "test-data"),
    ("train2017", "val2017", "test2017"),
    ("flowers_train", "flowers_valid", "flowers_test"),
    ("1_train", "2_val", "3_test"),
    ("images.train", "images.val", "images.test"),
    ("train (1)", "validation (1)", "test (1)"),
]


@pytest.mark.parametrize("names", SPLITS, ids=lambda names: names[0])
def test_splits_by_any_usual_name(tmp_path: Path, names: tuple[str, str, str]) -> None:
    for name, number in zip(names, (5, 3, 2), strict=True):
        classes(tmp_path / name, number=number)
    data = load_data(tmp_path)
    assert (data.classes, counts(data), data.notes) == (("cat", "dog"), (10, 6, 4), ())
    for part, name, number in zip(("train", "validation", "test"), names, (5, 3, 2), strict=True):
        line = next(line for line in data.understood if line.startswith(part))
        assert name in line
        assert line.endswith(f"{2 * number} images: cat {number}, dog {number}")


@pytest.mark.parametrize("kept", [(0, 1), (0, 2), (1, 2), (0,), (1,), (2,)])
@pytest.mark.parametrize("names", SPLITS[:8], ids=lambda names: names[0])
def test_any_of_the_splits_alone(
    tmp_path: Path, names: tuple[str, str, str], kept: tuple[int, ...]
) -> None:
    for i in kept:
        classes(tmp_path / names[i], number=10)
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog")
    test = 20 if 2 in kept and len(kept) > 1 else 0
    assert counts(data) == ((20, 20, 0) if kept == (0, 1) else (18, 2, test))
    assert names[kept[0]] in data.understood[0]


@pytest.mark.parametrize("wrapper", ["archive", "archive/data", "Intel Images/seg/v1", "train"])
def test_below_an_archives_own_folders(tmp_path: Path, wrapper: str) -> None:
    classes(tmp_path / wrapper / "seg_train" / "seg_train", number=5)
    classes(tmp_path / wrapper / "seg_test" / "seg_test", number=2)
    photos(tmp_path / wrapper / "seg_pred" / "seg_pred", 3)
    (tmp_path / "__MACOSX" / "seg_train").mkdir(parents=True)
    (tmp_path / "README.txt").write_text("x")
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("cat", "dog"), (8, 2, 4))
    assert "whose images have no class are left out: 1" in told(data)
    assert "seg_pred" in told(data)


def test_a_data_set_beside_other_folders(tmp_path: Path) -> None:
    classes(tmp_path / "data" / "train")
    classes(tmp_path / "data" / "val", number=2)
    photos(tmp_path / "figures")
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("cat", "dog"), (8, 4, 0))
    assert "neither a split nor a class are left out: 1 (figures)" in told(data)
    classes(tmp_path / "old" / "train")
    classes(tmp_path / "old" / "val")
    with pytest.raises(NasError, match="several data sets: data, old: give the folder of one"):
        load_data(tmp_path)


def test_a_copy_of_the_data_set_within_it_is_left_out(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "chest_xray"):
        classes(place / "train")
        classes(place / "test", number=2)
    assert counts(load_data(tmp_path)) == (6, 2, 4)


def test_parts_within_each_class(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        photos(tmp_path / name / "train", 5)
        photos(tmp_path / name / "val", 2)
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("cat", "dog"), (10, 4, 0))


def test_folds_are_one_data_set(tmp_path: Path) -> None:
    for i in range(3):
        classes(tmp_path / f"fold_{i}", number=5)
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("cat", "dog"), (26, 4, 0))


def test_classes_with_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("cat/2020", "cat/2021", "dog/2020", "dog/2021/may"):
        photos(tmp_path / name)
    data = load_data(tmp_path)
    assert (data.classes, sum(counts(data))) == (("cat", "dog"), 16)
    assert "them the classes): 4 (cat/2020, cat/2021, dog/2020, …)" in told(data)


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (
            "raw/cat raw/dog clean/cat clean/dog",
            r"hold the same folders \(cat, dog\): give the folder of one, or --split train=clean",
        ),
        ("images masks", "images, masks are hardly classes"),
        ("train/images val/images", "two classes are needed, one class, 'images'"),
    ],
)
def test_what_is_hardly_a_class_is_refused(tmp_path: Path, tree: str, said: str) -> None:
    with pytest.raises(NasError, match=said):
        load_data(classes(tmp_path, tree))
    if "val" not in tree:
        options = data_options(["none"])
        assert load_data(tmp_path, options=options).classes == tuple(
            sorted({name.split("/")[0] for name in tree.split()})
        )


def test_a_class_called_train_and_an_unlabelled_test(tmp_path: Path) -> None:
    classes(tmp_path, "car train plane test")
    data = load_data(tmp_path)
    assert data.classes == ("car", "plane", "train")
    assert "have no class are left out: 1 (test)" in told(data)
    classes(tmp_path / "data" / "val", "car train plane")
    classes(tmp_path / "data" / "train", "car train plane")
    data = load_data(tmp_path / "data")
    assert (data.classes, counts(data)) == (("car", "plane", "train"), (12, 12, 0))


@pytest.mark.parametrize("names", ["valid invalid", "test control", "dev prod", "test1 test2"])
def test_two_classes_of_which_one_sounds_like_a_split(tmp_path: Path, names: str) -> None:
    assert set(load_data(classes(tmp_path, names)).classes) == set(names.split())


@pytest.mark.parametrize(
    "names", ["Train Val", "train test", "training validation", "a_train a_test"]
)
def test_flat_splits_are_never_classes(tmp_path: Path, names: str) -> None:
    with pytest.raises(NasError, match="two classes are needed, no class was found"):
        load_data(classes(tmp_path, names))
    data = load_data(tmp_path, options=data_options(["none"]))
    assert set(data.classes) == set(names.split())


def test_an_unlabelled_test_is_left_out(tmp_path: Path) -> None:
    classes(tmp_path / "train")
    photos(tmp_path / "test")
    assert counts(load_data(tmp_path)) == (6, 2, 0)
    shutil.move(tmp_path / "test", tmp_path / "flat")
    photos(tmp_path / "test" / "unknown")
    data = load_data(tmp_path)
    assert counts(data) == (6, 2, 0)
    assert "test/unknown" in told(data)


@pytest.mark.parametrize("names", ["", "cat"])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, names: str) -> None:
    classes(tmp_path, names)
    photo(tmp_path / "beside.png")
    with pytest.raises(NasError, match="two classes are needed"):
        load_data(tmp_path)
    classes(tmp_path / "val", "cat")
    classes(tmp_path / "train", "cat")
    with pytest.raises(NasError, match="two classes are needed, one class, 'cat', of 4 images"):
        load_data(tmp_path)


def test_classes_that_parts_do_not_share(tmp_path: Path) -> None:
    classes(tmp_path / "train", "Cat dog fox")
    classes(tmp_path / "val", "cat DOG owl", 2)
    (tmp_path / "train" / "empty").mkdir()
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("Cat", "dog", "fox"), (12, 4, 0))
    assert "whose class has no training images are left out: 1 (val/owl)" in told(data)
    assert "without images are left out: 1 (train/empty)" in told(data)
    assert "classes are without validation images: 1 (fox)" in told(data)


def test_what_no_user_put_there_is_ignored(tmp_path: Path) -> None:
    classes(tmp_path)
    for name in ("__MACOSX/cat", ".cache", "@eaDir", "cat/.ipynb_checkpoints", "dog/@eaDir/0.png"):
        photos(tmp_path / name)
    for path in list((tmp_path / "cat").glob("*.png")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    photos(tmp_path / "studies" / "plots")
    (tmp_path / "studies" / "a.journal").write_text("")
    photos(tmp_path / "net")
    (tmp_path / "net" / "training.json").write_text("{}")
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == (("cat", "dog"), (6, 2, 0))
    assert "hidden files are left out: 4 (cat/._00.png, " in told(data)
    assert "hidden folders are left out: 5 (.cache, @eaDir, __MACOSX, …)" in told(data)
    assert "what nas has written is left out: 2 (net, studies)" in told(data)
    assert told(data).count("studies") == told(data).count("net") == 1


def test_links(tmp_path: Path) -> None:
    classes(tmp_path, number=10)
    (tmp_path / "cat" / "loop").symlink_to(tmp_path)
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    (tmp_path / "dog" / "gone.jpg").symlink_to("/nowhere/1.jpg")
    shutil.move(tmp_path / "dog" / "00.png", tmp_path / "elsewhere.bin")
    (tmp_path / "dog" / "00.png").symlink_to(tmp_path / "elsewhere.bin")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "dog" / "endless.png").symlink_to("/dev/zero")
    data = load_data(tmp_path)
    assert counts(data) == (18, 2, 0)
    assert "2 of 22 images are links to nothing and are left out: cat/self.png, dog/gone" in told(
        data
    )
    assert "links to a folder that they are in are left out: 1 (cat/loop)" in told(data)
    assert "no regular file is left out: 2 (cat/pipe.png, dog/endless.png)" in told(data)


def test_names_in_other_encodings(tmp_path: Path) -> None:
    latin = os.fsdecode("café".encode("latin-1"))
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    classes(tmp_path / "train", f"{latin} dog")
    classes(tmp_path / "val", f"{composed} dog")
    classes(tmp_path / "test", f"{apart} dog")
    data = load_data(tmp_path)
    assert (data.classes, counts(data)) == ((composed, "dog"), (8, 8, 8))
    assert r"not UTF-8 are read as Latin-1: 1 (train/caf\xe9)" in told(data)
    told(data).encode()
    photos(tmp_path / "train" / "a\x1b[31m\nb")
    assert told(load_data(tmp_path)).count("\x1b") == 0
    shutil.copytree(tmp_path, tmp_path.parent / os.fsdecode(b"\xff"))
    moved = load_data(tmp_path.parent / os.fsdecode(b"\xff"))
    assert moved.source.encode().endswith(rb"\udcff")
    assert moved.checksum == load_data(tmp_path).checksum


def test_split_and_classes_override(tmp_path: Path) -> None:
    for name in ("a", "b", "images/c"):
        classes(tmp_path / name, "cat dog fox")
    data = load_data(tmp_path, options=data_options(["train=a,b", "validation=images/c"]))
    assert (data.classes, counts(data)) == (("cat", "dog", "fox"), (24, 12, 0))
    options = data_options(["train=a", "test=b"], ["fox,cat"])
    data = load_data(tmp_path, options=options)
    assert (data.classes, counts(data)) == (("fox", "cat"), (6, 2, 8))
    assert "classes that are not asked for are left out: 1 (dog)" in told(data)
    assert data.options == options


@pytest.mark.parametrize(
    ("split", "chosen", "said"),
    [
        (["a"], [], "--split 'a': must be none or PART=FOLDER"),
        (["tests=a"], [], "part of the data 'tests' is unknown; did you mean 'test'"),
        (["train=aa"], [], "'aa' is unknown; did you mean 'a'"),
        (["none"], ["cat"], "--classes cat: must be at least two"),
        (["train=a"], ["cat,dgo"], "class 'dgo' is unknown; did you mean 'dog'"),
    ],
)
def test_mistaken_overrides(tmp_path: Path, split: list[str], chosen: list[str], said: str) -> None:
    classes(tmp_path / "a")
    with pytest.raises(NasError, match=said):
        load_data(tmp_path, options=data_options(split, chosen))


def test_options_as_a_command_line_says_them_again() -> None:
    options = data_options(["train=a b,c", "test=d"], ["x", "y z"], 0.5, 0.1, "9x7")
    words = shlex.split(options.flags())
    assert words[:4] == ["--split", "train=a b,c", "--split", "test=d"]
    assert words[4:] == ["--classes", "x", "--classes", "y z", "--left-out", "0.5",
                         "--test-share", "0.1", "--image-size", "9x7"]  # fmt: skip
    assert data_options().flags() == ""


def test_a_name_with_a_comma_is_in_quotes(tmp_path: Path) -> None:
    classes(tmp_path / "a, b")
    cat, dog = tmp_path / "a, b" / "cat", tmp_path / "a, b" / "dog"
    cat.rename(cat.with_name("cat, big"))
    dog.rename(dog.with_name('the "dog"'))
    options = data_options(['train="a, b"'], ['"cat, big", "the ""dog"""'])
    data = load_data(tmp_path, options=options)
    assert data.classes == ("cat, big", 'the "dog"')
    words = shlex.split(options.flags())
    assert data_options(words[1:2], words[3::2]) == options
    with pytest.raises(NasError, match=r"class 'cat' .*comma: --classes '\"cat, big\"'"):
        load_data(tmp_path, options=data_options(['train="a, b"'], ["cat, big"]))
    with pytest.raises(NasError, match="no names"):
        data_options(classes=["a\nb"])


def test_only_folders_take_them() -> None:
    with pytest.raises(NasError, match="only a folder of images takes --split"):
        load_data("digits", options=data_options(["none"]))


@pytest.mark.parametrize("name", ["cat", "streetcar", "constraint", "trained", "contest", "latest",
                                  "devil", "invalid", "strain", "attest"])  # fmt: skip
def test_words_that_hold_a_split_are_none(name: str) -> None:
    assert part_of(name) is None


NAMES = st.sampled_from(["cat", "dog", "fox", "train_station", "7", "tested", "Été", "a b"])
WORDS = st.sampled_from([("train", "val", "test"), ("training", "validation", "testing")])


@settings(suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(NAMES, min_size=2, max_size=4, unique=True),
    words=WORDS,
    kept=st.sets(st.sampled_from([0, 1, 2]), min_size=1),
    style=st.sampled_from([str.lower, str.upper, str.title]),
    around=st.sampled_from(["{}", "seg_{}", "{}_set", "{} images", "x-{}", "{}2"]),
    wrapper=st.lists(st.sampled_from(["data", "archive", "v1", "Images"]), max_size=2),
    beside=st.booleans(),
)
def test_any_tree_of_splits_gives_its_classes(
    names: list[str], words: tuple[str, str, str], kept: set[int], style: object, around: str,
    wrapper: list[str], beside: bool,
) -> None:  # fmt: skip
    if around == "x-{}" and len(kept) == 1:
        around = "{}"  # an unusual word is told from a class's by being in two names
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        numbers = {}
        for i in kept:
            part = root.joinpath(*wrapper, around.format(style(words[i])))  # type: ignore[operator]
            for name in names:
                photos(part / name, 2 + i)
            numbers[i] = len(names) * (2 + i)
        if beside and len(kept) > 1:
            photos(root.joinpath(*wrapper, "figures"), 1)
        data = load_data(root)
        assert data.classes == tuple(sorted(names))
        train, validation, test = counts(data)
        main = min(kept)
        if kept >= {0, 1}:
            assert (train, validation) == (numbers[0], numbers[1])
        else:
            assert train + validation == numbers[main]
            assert set(np.unique(data.validation.labels)) == set(range(len(names)))
        assert test == (numbers[2] if 2 in kept and main != 2 else 0)
