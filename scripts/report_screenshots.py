"""The screenshots of docs/report.md: a small search on digits with trainings, and its report.

    PYTHONPATH=. python scripts/report_screenshots.py        # needs Chromium; some minutes

Writes docs/report_400.png and docs/report_1400.png, with few enough colours for less than 200 kB.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from browser import screenshot
from PIL import Image

from nas.report.study import study_report
from nas.study import Study, search
from nas.study.finalists import run_finalists
from nas.support.files import write_whole

DOCS = Path(__file__).parents[1] / "docs"
SHOTS = {400: 1800, 1400: 1900}  # px: width, height


def studied() -> Study:
    """The study of the screenshots."""
    study = search(
        "cpu", ["2MFLOPs"], "small", name="digits", trials=300, data="digits", learn=8, finalists=2
    )
    run_finalists(study)
    return study


def main() -> None:
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        html, _ = study_report(studied())
        for width, height in SHOTS.items():
            shot = screenshot(html, width, height)
            buffer = io.BytesIO()
            few = shot.quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            few.save(buffer, "PNG", optimize=True)
            write_whole(DOCS / f"report_{width}.png", buffer.getvalue())


if __name__ == "__main__":
    main()
