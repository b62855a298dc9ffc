"""Beginning: any number of processes may begin at once where nothing is yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from stores import KINDS, place

from nas.study import Study
from nas.study.storage.storage import Storage

PROCESSES = 4
BEGIN = """
import sys, time
from pathlib import Path
from nas.study import begin
from nas.support.errors import NasError
storage, name, gate = sys.argv[1:]
Path(f"{gate}.{time.time_ns()}").touch()
while not Path(gate).exists():
    time.sleep(0.001)
try:
    print(begin("jetson", ["20M"], "small", storage=storage, name=name or None).name)
except NasError as error:
    print(f"NasError: {error}")
"""


def begun(storage: str, name: str, folder: Path) -> list[str]:
    """What each process says that begins a study of that name, or of the default one."""
    gate = folder / "gate"
    command = [sys.executable, "-c", BEGIN, storage, name, str(gate)]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    while len(list(folder.glob("gate.*"))) < PROCESSES:
        assert all(child.poll() is None for child in children)
    gate.touch()
    return sorted(child.communicate(timeout=120)[0].strip() for child in children)


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
