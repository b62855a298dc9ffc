"""The commands of the pages by task, run in their order: with fewer trials and epochs."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from PIL import Image

from nas import plugins
from nas.latency import Target
from nas.networks import find_network, made_here
from nas.support.registry import transaction

PAGES = sorted((Path(__file__).parents[1] / "docs" / "start").glob("*.md"))
FEWER = {
    "search": ["--trials", "6"],
    "train": ["--epochs", "1", "--resolution", "32"],
    "prune": ["--trials", "6", "--finalists", "1", "--epochs", "1"],
    "resume": ["--trials", "2"],
}


@pytest.fixture(autouse=True)
def new_process() -> Iterator[None]:
    with transaction() as made:
        yield
        made.undo()
        plugins.load_installed.cache_clear()


def images(folder: Path) -> None:
    """Two classes that a colour tells apart."""
    rng = np.random.default_rng(0)
    for name, colour in (("cat", 60), ("dog", 180)):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(colour, colour + 60, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def fill_in(path: Path) -> None:
    """The latencies that a device twice as slow as a shipped one would give."""
    with path.open() as file:
        rows = list(csv.reader(file))
    slow = Target.load("x86-avx512-ort")
    for row in rows[1:]:
        network = made_here(find_network(row[0], folders=(path.parent,)), "this test")
        row[1] = f"{2 * slow.predict(network).ms:.4g}"
    path.write_text("\n".join(map(",".join, rows)) + "\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_page_work_in_their_order(page: Path, run: Run, tmp_path: Path) -> None:
    text = page.read_text()
    images(tmp_path / "photos")
    for kind, name in (("python", "my_blocks.py"), ("yaml", "my.yaml")):
        for content in re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL):
            (tmp_path / name).write_text(content)
    commands = re.findall(
        r"^nas (.*)$", "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)), re.M
    )
    assert len(commands) >= 3
    for line in commands:
        words = shlex.split(line)
        more = FEWER.get(words[0], [])
        if "--finalists" in words:
            (tmp_path / "brief.yaml").write_text("epochs: 3\n")
            more = [*more, "--recipe", "brief.yaml"]
        if "--resolution" in more and not words[1].startswith("mlperf"):
            more = more[:2]
        with transaction() as made:
            code, _, err = run(*words, *more)
            made.undo()
        assert code == 0, (line, err)
        if (table := tmp_path / "to_measure" / "measured.csv").exists() and "--suggest" in words:
            fill_in(table)
