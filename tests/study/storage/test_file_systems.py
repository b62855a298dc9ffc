"""Studies and trainings on a real exFAT, which has neither hard links nor modes; root only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY

import nas
from nas.data import DataSet
from nas.data.dataset import Images
from nas.study import Study, begin
from nas.support.errors import NasError
from nas.training import Recipe, Trained, train

TOOLS = ("losetup", "mkfs.exfat", "mount.exfat-fuse", "umount")
possible = os.geteuid() == 0 and Path("/dev/fuse").exists() and all(map(shutil.which, TOOLS))
pytestmark = pytest.mark.skipif(not possible, reason="needs root, exfat-fuse and exfatprogs")


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """A folder on a new exFAT of 16 MB."""

    def call(*words: str | Path) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{words[0]}: {done.stderr or done.stdout}")
        return done.stdout.strip()

    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(1 << 24)
    call("mkfs.exfat", image)
    device = call("losetup", "-f", "--show", image)
    try:
        call("mount.exfat-fuse", device, place)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=False)
        subprocess.run(["losetup", "-d", device], check=False)


def test_a_study_is_made_once_driven_and_read(exfat: Path) -> None:
    folder = str(exfat / "studies")
    nas.search("jetson", ["15M"], "small", storage=folder, name="a", proxies=["params"], trials=3)
    assert [trial.number for trial in Study.load("a", folder).trials()] == [0, 1, 2]
    with pytest.raises(NasError, match="exists"):
        begin("jetson", ["15M"], "small", storage=folder, name="a", proxies=["params"])
    database = f"sqlite:///{exfat}/nas.db"
    nas.search("jetson", ["15M"], "small", storage=database, name="b", proxies=["params"], trials=3)
    assert len(Study.load("b", database).trials()) == 3


def test_a_training_keeps_its_epochs(exfat: Path) -> None:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (32, 1, 8, 8), np.uint8), np.arange(32) % 2)
    data = DataSet("noise", ("a", "b"), images, images)
    space = nas.SearchSpace.from_dict({**TINY, "channels": 1, "classes": 2, "resolution": [8]})
    done = train(space.sample(0), data, Recipe(epochs=2, batch_size=16), output=exfat / "t")
    assert Trained.load(exfat / "t").history == done.history
