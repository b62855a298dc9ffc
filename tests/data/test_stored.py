"""Images that are kept in a file are those that would be held in memory, at a bounded cost."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photos import classes, photo
from PIL import Image
from tiny import TINY

import nas
from nas.data import DataSet, Images, cache, load_data, stored
from nas.data.stored import Stored
from nas.support.errors import NasError
from nas.support.files import PART, lock
from nas.training import Recipe, train
from nas.training.batches import Pixels


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache's folder; nothing is held in memory."""
    monkeypatch.setattr(stored, "HELD", 0)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def some(folder: Path, number: int = 70) -> Path:
    """Images of all sizes, so many that two processes decode them."""
    classes(folder, "cat dog", number)
    for i in range(3):
        photo(folder / "cat" / f"wide{i}.jpg", (40, 14 + i))
    clear = Image.new("RGBA", (13, 12), (255, 0, 0, 40))
    clear.save(folder / "dog" / "clear.png")
    return folder


def equal(a: DataSet, b: DataSet) -> bool:
    return all(
        np.array_equal(np.asarray(x.pixels), np.asarray(y.pixels))
        and np.array_equal(x.labels, y.labels)
        for x, y in ((a.train, b.train), (a.validation, b.validation))
    )


def test_a_file_holds_what_memory_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    folder = some(tmp_path / "photos")
    (folder / "cat" / "bad.png").write_bytes(
        (folder / "cat" / "00.png").read_bytes()[:300]
    )  # its header can be read
    there = load_data(folder)
    again = load_data(folder)
    assert isinstance(there.train.pixels, Stored)
    assert len(list(no_room.iterdir())) == 1
    monkeypatch.setattr(stored, "HELD", 1 << 28)
    held = load_data(folder)
    assert isinstance(held.train.pixels, np.ndarray)
    assert equal(there, held)
    assert equal(again, held)
    assert there.checksum == held.checksum
    assert there.moments == again.moments == held.moments
    assert set(there.notes) == set(again.notes) == set(held.notes)
    assert any("bad.png" in note for note in held.notes)
    assert any("clear.png" in note for note in held.notes)


def test_it_is_indexed_as_an_array_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 2, 3, 3), np.uint8)
    (tmp_path / "x").write_bytes(pixels.tobytes())
    file = Stored(tmp_path / "x", (2, 3, 3), 9)
    part = file.take(np.array([7, 7, 2, 5]))
    (tmp_path / "x").unlink()  # who has it open still reads it
    for index in (slice(1, 5), slice(None, None, 3), np.array([3, 0, 3]), np.arange(9) % 2 == 0):
        assert np.array_equal(file[index], pixels[index])
    assert np.array_equal(file[-1], pixels[-1])
    assert np.array_equal(list(file), pixels)
    assert np.array_equal(part.take(np.array([0, 3]))[:], pixels[[7, 5]])
    assert (part.shape, len(part)) == ((4, 2, 3, 3), 4)


def test_another_process_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(24)))
    sent = pickle.loads(pickle.dumps(Stored(tmp_path / "x", (1, 2, 3), np.array([3, 1]))))
    assert sent[:].ravel().tolist() == [*range(18, 24), *range(6, 12)]
    (tmp_path / "x").write_bytes(b"short")
    with pytest.raises(NasError, match="cut off"):
        sent[:]


def test_a_training_does_not_depend_on_where_images_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    folder = classes(tmp_path / "photos", "cat dog", 30)
    space = nas.SearchSpace.from_dict({**TINY, "channels": 3, "classes": 2, "resolution": [12]})
    arch = space.sample(1)
    recipe = Recipe(epochs=1, batch_size=16, flip=True)
    lazy = train(arch, load_data(folder), recipe, device="cpu")
    monkeypatch.setattr(stored, "HELD", 1 << 28)
    held = train(arch, load_data(folder), recipe, device="cpu")
    assert lazy.loss == held.loss
    state = held.module.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in lazy.module.state_dict().items())


def test_pixels_that_are_not_held_are_the_same(
    monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    rng = np.random.default_rng(0)
    images = Images(rng.integers(0, 256, (120, 1, 8, 8), np.uint8), np.zeros(120, np.int64))
    cpu = torch.device("cpu")
    lazy = Pixels(images, 12, cpu)
    monkeypatch.setattr(stored, "HELD", 1 << 28)
    held = Pixels(images, 12, cpu)
    chosen = torch.tensor([5, 0, 5, 100])
    assert torch.equal(lazy[chosen], held[chosen])
    assert torch.equal(torch.cat(list(lazy.split(50))), held[:])


def test_the_cache_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    one, two = (classes(tmp_path / name, "cat dog", 20) for name in ("one", "two"))
    load_data(one)
    (first,) = no_room.iterdir()
    left = no_room / "0.pixels.part"
    left.write_bytes(b"of a process that was killed")
    monkeypatch.setenv("NAS_CACHE_GIB", str(1.5 * first.stat().st_size / 2**30))
    data = load_data(one)
    load_data(two)
    assert not left.exists()
    assert not first.exists()
    assert len(list(no_room.iterdir())) == 1
    assert np.asarray(data.train.pixels).any()  # it is open, so it is there for this process
    monkeypatch.setenv("NAS_CACHE_GIB", "0.00001")
    with pytest.raises(NasError, match="NAS_CACHE_GIB allows more"):
        load_data(one)
    monkeypatch.setenv("NAS_CACHE_GIB", "much")
    with pytest.raises(NasError, match=r"NAS_CACHE_GIB 'much': must be a number of GiB"):
        load_data(one)


def test_a_file_that_another_process_removes_meanwhile_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    load_data(classes(tmp_path / "one", "cat dog", 20))
    (first,) = no_room.iterdir()
    glob = Path.glob

    def removing(self: Path, pattern: str) -> list[Path]:
        found = list(glob(self, pattern))
        if self == no_room:
            first.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "glob", removing)
    assert load_data(classes(tmp_path / "two", "cat dog", 20)).classes == ("cat", "dog")
    assert not first.exists()


def test_a_file_that_is_removed_before_it_is_read_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    write, made = cache._write, list[Path]()

    def removed(path: Path, *rest: Any) -> None:
        write(path, *rest)
        made.append(path)
        if len(made) < 3:
            path.unlink()  # as another process does that needs the room

    monkeypatch.setattr(cache, "_write", removed)
    data = load_data(classes(tmp_path / "photos", "cat dog", 20))
    assert np.asarray(data.train.pixels).any()
    assert list(no_room.iterdir()) == [made[2]]


def wait_until_waiting(process: int) -> None:
    """Waits until a process waits for a lock of a file, or 20 seconds where no system says."""
    end, locks = time.monotonic() + 20, Path("/proc/locks")
    while time.monotonic() < end:
        lines = [line.split() for line in locks.read_text().splitlines()] if locks.exists() else []
        if any(words[1] == "->" and int(words[5]) == process for words in lines):
            return
        time.sleep(0.05)


def test_who_waited_for_one_that_failed_decodes_itself(tmp_path: Path, no_room: Path) -> None:
    folder = classes(tmp_path / "photos", "cat dog", 20)
    load_data(folder)
    (path,) = no_room.iterdir()
    whole = path.read_bytes()
    path.unlink()
    with (no_room / f"{path.name}{PART}").open("ab") as file:
        lock(file.fileno())
        waiting = subprocess.Popen([sys.executable, "-c", DECODES, str(folder)])
        wait_until_waiting(waiting.pid)
        # It holds the file that is removed now.
        Path(file.name).unlink()
    assert waiting.wait(60) == 0
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_room: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(NasError, match=r"cannot be kept in .*NAS_CACHE names another"):
        load_data(classes(tmp_path / "photos"))


DECODES = """
import sys
from nas.data import load_data, stored
stored.HELD = 0
load_data(sys.argv[1])
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that take a moment to decode."""
    folder = classes(tmp_path_factory.mktemp("large"), "cat dog", 5)
    for i in range(130):
        os.link(photo(folder / "cat" / f"big{i}.png", (400, 400)), folder / f"x{i}.png")
    return folder


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_one_that_is_stopped_leaves_no_process(large: Path, sent: int, no_room: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", DECODES, str(large)], stderr=subprocess.PIPE, start_new_session=True
    )
    while child.poll() is None and not list(no_room.glob("*.part")):
        time.sleep(0.005)
    child.send_signal(sent)
    child.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(child.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        raise AssertionError("a process that decodes is left")
    assert isinstance(load_data(large).train.pixels, Stored)
    assert len(list(no_room.iterdir())) == 1
    assert cache.cache_folder() == no_room
