"""Beginning: any number of processes may begin at once where nothing is yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stores import KINDS, place

from nas.study import Study
from nas.study.storage.storage import Storage

# Forked off one that has loaded everything, they begin within a moment of one another.
BEGIN = """
import os, sys
from nas.study import begin
from nas.support.errors import NasError
warm, storage, name = sys.argv[1:]
begin("jetson", ["20M"], "small", storage=warm)
gate, hand = os.pipe()
for _ in range(4):
    if not os.fork():
        os.close(hand)
        os.read(gate, 1)
        try:
            said = begin("jetson", ["20M"], "small", storage=storage, name=name or None).name
        except NasError as error:
            said = f"NasError: {error}"
        os.write(1, f"{said}\\n".encode())
        os._exit(0)
os.close(hand)
for _ in range(4):
    os.wait()
"""


def begun(storage: str, name: str, folder: Path) -> list[str]:
    """What each of four processes says that begins a study of that name, or of the default one."""
    command = [sys.executable, "-c", BEGIN, str(folder / "warm"), storage, name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert not done.stderr
    return sorted(done.stdout.splitlines())


@pytest.mark.parametrize("kind", KINDS)
def test_of_one_name_one_begins_and_the_others_are_told(kind: str, tmp_path: Path) -> None:
    storage = place(kind, tmp_path)
    *refused, name = begun(storage, "s", tmp_path)
    assert name == "s"
    assert all(said.startswith("NasError: study 's' exists in") for said in refused)
    assert Study.load("s", storage).tally().trials == 0


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_without_a_name_each_begins_one_of_its_own(kind: str, tmp_path: Path) -> None:
    storage = place(kind, tmp_path)
    names = begun(storage, "", tmp_path)
    assert names == [
        "small-jetson-agx-xavier-20m",
        *(f"small-jetson-agx-xavier-20m-{n}" for n in (2, 3, 4)),
    ]
    assert Storage(storage).names() == names
