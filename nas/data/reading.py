"""A `DataSet` of inspected image files: what is left out, the form of all images, identity."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data import cache
from nas.data import stored as memory
from nas.data.dataset import VALIDATION_SHARE, DataSet, Images, split
from nas.data.decode import Form, decode
from nas.data.findings import Findings
from nas.data.inspection import UNREADABLE, Inspected, value_range
from nas.data.options import PARTS, DataOptions, Part
from nas.resolution import Resolution, sides
from nas.support.errors import NasError

LARGEST = 256  # pixels a side; larger images are reduced when they are read
LEAKED: dict[Part, str] = {
    "validation": "images that are training images too are left out of validation",
    "test": "images that are training or validation images too are left out of the test",
}
TWO_CLASSES = "images have an equal file in another class"
SINGLE = "classes are without validation images"
NO_TRAINING = "classes are left out, for none of their training images can be read"

Inspections = dict[Part, list[Inspected]]


def read(
    inspected: Inspections,
    classes: tuple[str, ...],
    options: DataOptions,
    findings: Findings,
    seed: int,
) -> DataSet:
    """The data set of these images, labels being indices of `classes`; it has no source yet.

    Without a readable validation image of its own some of the training images are split off.
    Errors: `NasError` where more than the share that `options` allow cannot be read, or too little
    is left.
    """
    everything = [image for images in inspected.values() for image in images]
    kept = {part: [i for i in images if not i.problem] for part, images in inspected.items()}
    _check_left_out(everything, kept, options.left_out, findings)
    kept = _without_leaks(kept, findings)
    form = _form(kept["train"], options.image_size)
    held = sum(map(len, kept.values())) * prod(form.shape) <= memory.HELD
    pixels: dict[Part, Images] = {}
    undecoded = 0
    for part, images in kept.items():
        pixels[part], kept[part] = _read_images(images, form, findings, held=held)
        undecoded += len(images) - len(kept[part])
        ok = {id(image) for image in kept[part]}
        for image in images:
            if id(image) not in ok:
                image.problem = UNREADABLE
    if undecoded:
        left = {p: [i for i in images if not i.problem] for p, images in inspected.items()}
        _check_left_out(everything, left, options.left_out, findings)
    classes = _with_training_images(classes, pixels, kept, findings)
    notes = (*_left_out_notes(everything, findings), *_form_notes(kept, form, findings))
    content = _content(kept, classes, form)
    train, validation = pixels["train"], pixels.get("validation")
    seeded = validation is None or not len(validation.labels)
    if validation is None or seeded:
        digests = [image.digest.hex() for image in kept["train"]]
        groups = np.unique(digests, return_inverse=True)[1]
        train, validation = split(train, VALIDATION_SHARE, seed, groups)
    for label in np.setdiff1d(train.labels, validation.labels):
        findings.add(SINGLE, Path(classes[label]))
    if not len(validation.labels):
        raise NasError("no image is left for validation: some class needs two different images")
    test = pixels.get("test")
    if test is not None and not len(test.labels):
        test = None
    if seeded:
        content = sha256(f"{content} {VALIDATION_SHARE} {seed}".encode()).hexdigest()
    return DataSet(
        "", classes, train, validation, test,
        seed=seed, notes=notes, values=form.values, content=content, seeded=seeded,
    )  # fmt: skip


def _check_left_out(
    everything: list[Inspected], kept: Inspections, limit: float, findings: Findings
) -> None:
    count = len(everything) - sum(len(images) for images in kept.values())
    if not kept["train"]:
        texts = "; ".join(_left_out_notes(everything, findings))
        raise NasError(f"none of its training images can be read: {texts}")
    if count > limit * len(everything):
        texts = "; ".join(_left_out_notes(everything, findings))
        raise NasError(
            f"{count / len(everything):.0%}, over {limit:.0%}, is too much (--left-out is the "
            f"limit): {texts}"
        )


def _left_out_notes(everything: list[Inspected], findings: Findings) -> list[str]:
    problems: dict[str, list[Path]] = {}
    for image in everything:
        if image.problem:
            problems.setdefault(image.problem, []).append(image.path)
    return [
        f"{len(paths)} of {len(everything)} images {what} and are left out: {findings.named(paths)}"
        for what, paths in problems.items()
    ]


def _without_leaks(kept: Inspections, findings: Findings) -> Inspections:
    """The images of each part: validation without training's files, the test without both's."""
    seen: set[bytes] = set()
    clean: Inspections = {}
    for part in PARTS:
        if part in kept:
            for image in kept[part]:
                if image.digest in seen:
                    findings.add(LEAKED[part], image.path)
            clean[part] = [image for image in kept[part] if image.digest not in seen]
            seen |= {image.digest for image in clean[part]}
    labels: dict[bytes, int] = {}
    for image in clean["train"]:
        if labels.setdefault(image.digest, image.label) != image.label:
            findings.add(TWO_CLASSES, image.path)
    return clean


def _form(images: list[Inspected], size: Resolution | None) -> Form:
    """The mode of most images; the `size`, else the median of their shorter sides: few odd ones
    change neither."""
    shorter = sorted(min(*image.size, LARGEST) for image in images)
    grey = 2 * sum(image.grey for image in images) > len(images)
    return Form(shorter[len(shorter) // 2] if size is None else size, grey, value_range(images))


def _read_images(
    inspected: Sequence[Inspected], form: Form, findings: Findings, *, held: bool
) -> tuple[Images, list[Inspected]]:
    """The images in order, in memory or in the cache, and those of `inspected` that they are,
    without what has no pixels."""
    labels = np.array([image.label for image in inspected], np.int64)
    images, told = (_held if held else _cached)(inspected, labels, form)
    for row, note in told.notes:
        findings.add(note, inspected[row].path)
    if not told.failed:
        return images, list(inspected)
    kept = np.setdiff1d(np.arange(len(inspected)), told.failed)
    return images.take(kept), [inspected[row] for row in kept]


def _held(
    inspected: Sequence[Inspected], labels: NDArray[np.int64], form: Form
) -> tuple[Images, cache.Decoded]:
    pixels = np.zeros((len(inspected), *form.shape), np.uint8)
    told = cache.Decoded([], [])
    for row, image in enumerate(inspected):
        notes: list[str] = []
        try:
            pixels[row] = decode(image.path, form, notes)
        except Exception:  # see `inspect`
            told.failed.append(row)
            continue
        told.notes.extend((row, note) for note in notes)
    return Images(pixels, labels), told


def _cached(
    inspected: Sequence[Inspected], labels: NDArray[np.int64], form: Form
) -> tuple[Images, cache.Decoded]:
    pixels, told = cache.stored(inspected, form)
    return Images(pixels, labels), told


def _with_training_images(
    classes: tuple[str, ...], pixels: dict[Part, Images], kept: Inspections, findings: Findings
) -> tuple[str, ...]:
    """The classes that have a training image left; what is of another goes from every part."""
    there = np.unique(pixels["train"].labels)
    if len(there) == len(classes):
        return classes
    for label in np.setdiff1d(np.arange(len(classes)), there):
        findings.add(NO_TRAINING, Path(classes[label]))
    if len(there) < 2:
        raise NasError("two classes are needed, and under two have a training image to be read")
    for part, images in pixels.items():
        chosen = np.flatnonzero(np.isin(images.labels, there))
        labels = np.searchsorted(there, images.labels[chosen])
        pixels[part] = images.take(chosen)._replace(labels=labels)
        kept[part] = [kept[part][i] for i in chosen]
    return tuple(classes[label] for label in there)


def _form_notes(kept: Inspections, form: Form, findings: Findings) -> list[str]:
    """What is done to images that are not of the form."""
    images = [image for members in kept.values() for image in members]
    modes = ("RGB", "greyscale") if form.grey else ("greyscale", "RGB")
    height, width = sides(form.side)
    odd = {
        f"are {modes[0]} among {modes[1]} and are converted": [
            i.path for i in images if i.grey != form.grey
        ],
        f"are under half of {form.side} pixels and are enlarged": [
            i.path for i in images if 2 * i.size[0] < height or 2 * i.size[1] < width
        ],
        "have several frames, of which the first counts": [i.path for i in images if i.frames > 1],
    }
    notes = [
        f"{len(paths)} of {len(images)} images {what}: {findings.named(paths)}"
        for what, paths in odd.items()
        if paths
    ]
    if form.values is not None:
        deep = sum(image.values is not None for image in images)
        low, high = (f"{value:.6g}" for value in form.values)
        notes.append(
            f"{deep} of {len(images)} images have over eight bits: values of {low} to {high} "
            "become 0 to 255"
        )
    # Photographs come in all sizes, so that alone is never an error.
    fitted = sum(image.size != (height, width) for image in images)
    if fitted:
        text = f"{height}x{width}"
        notes.append(f"{fitted} of {len(images)} images are fitted to {text} pixels")
    return notes


def _content(kept: Inspections, classes: tuple[str, ...], form: Form) -> str:
    """A digest of the files' bytes with their parts and classes, and of what is made of them."""
    digest = sha256(repr((classes, form)).encode())
    for part, images in kept.items():
        digest.update(repr((part, len(images))).encode())
        for image in images:
            digest.update(image.label.to_bytes(4, "big") + image.digest)
    return digest.hexdigest()
