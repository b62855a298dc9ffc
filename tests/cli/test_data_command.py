"""Data on the command line: what was understood comes first, and where they are now may be said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from photos import classes, photo, photos
from PIL import Image
from tiny import TINY
from typer.testing import CliRunner

import nas
from nas.cli.main import app
from nas.support.errors import NasError


def run(*words: object) -> tuple[str, str]:
    """The output and the error output of a command that succeeds."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    network = nas.SearchSpace.from_dict({**TINY, "resolution": 16}).sample(0)
    (tmp_path / "net.json").write_text(network.to_json())
    (tmp_path / "r.yaml").write_text("{epochs: 1, batch_size: 4, lr: 0.01}")
    for part, number in (("Train", 8), ("Val", 3)):
        classes(tmp_path / "photos" / part, "cat dog fox", number)
    return tmp_path


TRAIN = ["train", "net.json", "--recipe", "r.yaml", "--device", "cpu", "--output", "out"]


def test_train_says_what_it_understood_and_export_finds_moved_data(place: Path) -> None:
    photo(place / "photos" / "Val" / "owl" / "0.png")
    out, err = run(*TRAIN, "--data", "photos")
    lines = err.splitlines()
    assert lines[:4] == [
        f"{place}/photos: 24 training, 9 validation images of 3 classes, 3x12x12",
        "  train       Train  24 images: cat 8, dog 8, fox 8",
        "  validation  Val    9 images: cat 3, dog 3, fox 3",
        "data: folders whose class has no training images are left out: 1 (Val/owl)",
    ]
    assert "accuracy on the 9 validation images" in out
    shutil.move(place / "photos", place / "moved")
    with pytest.raises(NasError, match="not there any more: --data says where it is now"):
        run("export", "out")
    out, _ = run("export", "out", "--data", "moved")
    assert f"trained on {place}/moved" in out
    run(*TRAIN, "--data", "./moved/")  # the same data: nothing is to be trained any more
    run("export", "out")  # what that has printed
    photo(place / "moved" / "Val" / "cat" / "new.png")
    with pytest.raises(NasError, match="another data"):
        run(*TRAIN, "--data", "moved")
    with pytest.raises(NasError, match="has other images"):
        run("export", "out", "--data", "moved")
    (place / "moved" / "Val" / "cat" / "new.png").unlink()
    for part in ("Train", "Val"):
        shutil.move(place / "moved" / part, place / "moved" / f"{part} a")
    shutil.rmtree(place / "moved" / "Val a" / "owl")
    options = ["--split", "train=Train a", "--split", "validation=Val a"]
    run(*TRAIN, "--data", "moved", *options)
    run("export", "out")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "0"], "epochs: should be greater"),
        (["--recipe", "gone.yaml"], "gone.yaml: No such file"),
        (["--output", "r.yaml"], "r.yaml is no folder"),
        (["--weights", "gone.pt"], "gone.pt: No such file"),
        (["--teacher", "gone"], "teacher 'gone': must be trained"),
        (["--teacher", "gone.onnx"], "gone.onnx: No such file"),
        (["--log", "foo"], "log 'foo' is unknown"),
        (["--log", "tensorboard"], "needs a folder"),
        (["--device", "gpu9"], "device 'gpu9' cannot be used: torch has here cpu"),
        (["--device", "meta"], "device 'meta' cannot be used: torch has here cpu"),
    ],
)
def test_mistakes_are_said_before_data_are_read(place: Path, words: list[str], said: str) -> None:
    with pytest.raises(NasError, match=said):
        run(*TRAIN, "--data", "no such data", *words)


@pytest.mark.parametrize("output", ["photos", "photos/Train/cat"])
def test_nothing_is_written_beside_images(place: Path, output: str) -> None:
    """They would be taken for nas's own, and left out of the data."""
    before = sorted((place / "photos").rglob("*"))
    words = ["prune", "net.json", "--unstructured", "magnitude", "--weights", "r.yaml", "-o"]
    for begin in (TRAIN[:-1], ["auto", "--output"], words):
        with pytest.raises(NasError, match="holds images: choose another folder"):
            run(*begin, output, "--data", "photos")
    assert sorted((place / "photos").rglob("*")) == before


def test_overrides_are_kept_with_a_training(place: Path) -> None:
    options = ["--split", "train=Val", "--split", "validation=Train", "--classes", "fox,cat"]
    _, err = run(*TRAIN, "--data", "photos", *options, "--left-out", "0.1")
    assert "  train       Val    6 images: fox 3, cat 3" in err
    facts = json.loads((place / "out" / "training.json").read_text())["data"]
    assert facts["options"] == {
        "split": {"train": ["Val"], "validation": ["Train"]},
        "classes": ["fox", "cat"],
        "left_out": 0.1,
        "test_share": 0.0,
        "image_size": None,
    }
    run("export", "out")


def test_the_range_of_deep_images_is_told_to_who_uses_the_network(place: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(16):
        path = place / "deep" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 4096, (16, 16)).astype(np.uint16)).save(path)
    _, err = run(*TRAIN, "--data", "deep")
    assert "16 of 16 images have over eight bits: values of 0 to 4095 become 0 to 255" in err
    out, _ = run("export", "out")
    assert "values of 0 to 4095 become an image's 0 to 255" in out
    facts = {p.key: p.value for p in onnx.load("out/model.onnx").metadata_props}
    assert json.loads(facts["values"]) == [0, 4095]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--split", "train=Val/cat"], "two classes are needed, no class"),
        (["--classes", "cat,dgo"], "'dgo' is unknown; did you mean 'dog'"),
        (["--left-out", "7"], "left_out: should be less than or equal to 1"),
        (["--split", "train=Vla"], "'Vla' is unknown; did you mean 'Val'"),
    ],
)
def test_mistakes(place: Path, words: list[str], said: str) -> None:
    shutil.rmtree(place / "photos" / "Train")
    with pytest.raises(NasError, match=said):
        run(*TRAIN, "--data", "photos", *words)


SEARCH = ["search", "--space", "small", "--trials", "2", "--study", "s", "--proxies", "params"]


def test_what_finalists_need_is_known_before_the_search(place: Path) -> None:
    (place / "large.yaml").write_text("batch_size: 64")
    with pytest.raises(NasError, match="batch_size 64: there are 24 training images"):
        run(*SEARCH, "--data", "photos", "--finalists", "1", "--recipe", "large.yaml")
    assert not (place / "studies" / "s.journal").exists()
    with pytest.raises(NasError, match="say how to read --data: give it too"):
        run(*SEARCH, "--split", "none")
    photos(place / "one" / "cat")
    with pytest.raises(NasError, match="two classes are needed"):
        run(*SEARCH, "--data", "one")


def test_a_study_goes_on_with_moved_data(place: Path) -> None:
    words = ["--finalists", "1", "--recipe", "r.yaml", "--classes", "fox,dog"]
    _, err = run(*SEARCH, "--data", "photos", *words)
    assert "  train       Train  16 images: fox 8, dog 8" in err
    config = (place / "studies" / "s.yaml").read_text()
    assert "classes: [fox, dog]" in config
    shutil.move(place / "photos", place / "moved")
    with pytest.raises(NasError, match="not there any more"):
        run("resume", "s", "--trials", "1")
    out, err = run("resume", "s", "--trials", "1", "--data", "moved")
    assert "nas resume s --trials 2 --data moved" in out
    assert "  train       Train  16 images: fox 8, dog 8" in err
    shutil.move(place / "moved", place / "photos")
    run("search", "--config", "studies/s.yaml", "--study", "again", "--trials", "1")


def test_what_is_printed_as_json_is_json_after_ctrl_c_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas.study.finalists.run_finalists", stopped)
    words = [*SEARCH, "--data", "photos", "--finalists", "1", "--recipe", "r.yaml", "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 130
    assert json.loads(done.stdout)["ended"] == "interrupted"
    assert "every finished epoch of the finalists is kept" in done.stderr


def test_a_training_says_something_before_torch_is_imported(place: Path) -> None:
    """On two busy cores torch takes seconds, in which it was not to be seen whether it works."""
    script = """import sys
import nas.cli.data as data
tell = data.tell
def told(found):
    tell(found)
    print("torch" in sys.modules)
    raise SystemExit
data.tell = told
sys.argv = ["nas", "train", "net.json", "--data", "photos", "-o", "out"]
from nas.cli.main import main
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "photos: 24 training" in done.stderr
    assert done.stdout == "False\n"
