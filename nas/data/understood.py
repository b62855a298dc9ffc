"""What was understood of a folder, in a few lines, for the user to see before work begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.data.dataset import DataSet, Images
from nas.data.findings import shown_path
from nas.data.layout import Layout
from nas.data.options import PARTS, Part
from nas.support.text import printable

SHOWN_CLASSES = 8


def lines(data: DataSet, layout: Layout, root: Path) -> tuple[str, ...]:
    """A line for each part: where it is, how many images, and of which classes."""
    rows: list[tuple[Part, str, Images]] = []
    for part in PARTS:
        images: Images | None = getattr(data, part)
        if images is not None:
            where = ", ".join(shown_path(source, root) for source in layout.sources.get(part, ()))
            if part == "validation" and data.seeded:
                where = f"split off by seed {data.seed}"
            rows.append((part, "the folder itself" if where == "." else where, images))
    names = max(len(part) for part, _, _ in rows)
    width = max(len(where) for _, where, _ in rows)
    return tuple(
        f"{part:<{names}}  {where:<{width}}  {len(images.labels)} images: "
        + _counts(images, data.classes)
        for part, where, images in rows
    )


def _counts(images: Images, classes: tuple[str, ...]) -> str:
    counts = np.bincount(images.labels, minlength=len(classes))
    texts = [
        f"{printable(name)} {count}"
        for name, count in zip(classes[:SHOWN_CLASSES], counts, strict=False)
    ]
    more = len(classes) - SHOWN_CLASSES
    if more > 0:
        texts.append(f"and {more} more of {counts.min()} to {counts.max()}")
    return ", ".join(texts)
