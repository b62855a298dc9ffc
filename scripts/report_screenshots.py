"""The screenshots of docs/report.md and docs/auto.md: the top of a report on a screen and a phone.

    PYTHONPATH=. python scripts/report_screenshots.py RESULT/report.html --name auto  # Chromium
    PYTHONPATH=. python scripts/report_screenshots.py                        # some minutes more

Writes docs/NAME_400.png and docs/NAME_1400.png, with few enough colours for less than 200 kB.
Without a report it makes one, of a small search on digits with trainings.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import chromium, screenshot
from PIL import Image

from nas.report.study import study_report
from nas.study import Study, search
from nas.study.finalists import run_finalists
from nas.support.files import write_whole

DOCS = Path(__file__).parents[1] / "docs"
SHOTS = {400: 1800, 1400: 1900}  # px: width, height
COLOURS = (64, 32, 16)
MOST = 200_000  # bytes of a file


def studied() -> Study:
    """The study of the screenshots."""
    study = search(
        "cpu", ["2MFLOPs"], "small", name="digits", trials=300, data="digits", learn=8, finalists=2
    )
    run_finalists(study)
    return study


def report() -> str:
    """The page of that study."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return study_report(studied())[0]
        finally:
            os.chdir(before)


def png(shot: Image.Image) -> bytes:
    """The picture in as many colours as the size of a file allows."""
    for colours in COLOURS:
        buffer = io.BytesIO()
        few = shot.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(buffer, "PNG", optimize=True)
        if len(buffer.getvalue()) < MOST:
            return buffer.getvalue()
    raise ValueError(f"a screenshot takes {len(buffer.getvalue())} bytes in {COLOURS[-1]} colours")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, nargs="?", help="a page of nas report or nas auto")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder for the pictures")
    parser.add_argument("--name", default="report", help="what their names begin with")
    given = parser.parse_args()
    if chromium() is None:
        print("there is no Chromium", file=sys.stderr)
        return 2
    html = given.report.read_text(encoding="utf-8") if given.report else report()
    for width, height in SHOTS.items():
        path = given.output / f"{given.name}_{width}.png"
        write_whole(path, png(screenshot(html, width, height)))
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
