"""`DataOptions`: what a user may say of a folder's data beyond what its names say."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from shlex import quote
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from nas.resolution import Resolution, read_resolution
from nas.support.errors import NasError, one_of, shown
from nas.support.validation import Settings, validated

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
NO_SPLITS = "none"


class DataOptions(Settings):
    """How a folder is read.

    split: the folders of each part, relative to the data's own; without it they are known by their
        names. "none" says that every folder is a class, whatever its name.
    classes: these classes alone, in this order; without it all of them, in alphabetical order.
    left_out: the share of images that may be left out because they cannot be read.
    test_share: the share of each class that is set aside as test images, where the data have none.
    image_size: what images are fitted to; without it a square of the median of the shorter sides.
    """

    split: dict[Part, tuple[str, ...]] | Literal["none"] | None = None
    classes: tuple[str, ...] = ()
    left_out: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.25
    test_share: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.0
    image_size: Annotated[Resolution, PlainValidator(read_resolution)] | None = None

    def words(self) -> dict[str, list[str] | float | str]:
        """What differs from the defaults, as `data_options` takes it."""
        words: dict[str, list[str] | float | str] = {}
        if self.split == NO_SPLITS:
            words["split"] = [NO_SPLITS]
        elif isinstance(self.split, dict):
            words["split"] = [
                f"{part}={','.join(map(written, names))}" for part, names in self.split.items()
            ]
        if self.classes:
            words["classes"] = [written(name) for name in self.classes]
        if self.left_out != DataOptions().left_out:
            words["left_out"] = self.left_out
        if self.test_share:
            words["test_share"] = self.test_share
        if self.image_size is not None:
            words["image_size"] = str(self.image_size)
        return words

    def flags(self) -> str:
        """What differs from the defaults, as options of a command."""
        return "".join(
            f" --{name.replace('_', '-')} {quote(str(value))}"
            for name, said in self.words().items()
            for value in (said if isinstance(said, list) else [said])
        )


def data_options(
    split: Iterable[str] | None = None,
    classes: Iterable[str] | None = None,
    left_out: float | None = None,
    test_share: float | None = None,
    image_size: str | None = None,
) -> DataOptions:
    """Options as they are written on a command line.

    `split` is `none`, or `PART=FOLDER[,FOLDER…]` for each part; `classes` are names, with commas
    between them or without. A name that has a comma is in double quotes, as in CSV. Errors:
    `NasError` with the value and the rule.

    >>> data_options(["train=a,b", "validation=c"]).split
    {'train': ('a', 'b'), 'validation': ('c',)}
    >>> data_options(classes=['"salt, pepper",sugar']).classes
    ('salt, pepper', 'sugar')
    """
    data: dict[str, object] = {"classes": tuple(_listed(classes or ()))}
    if left_out is not None:
        data["left_out"] = left_out
    if test_share is not None:
        data["test_share"] = test_share
    if image_size is not None:
        data["image_size"] = image_size
    texts = list(split or ())
    if texts == [NO_SPLITS]:
        data["split"] = NO_SPLITS
    elif texts:
        parts: dict[str, tuple[str, ...]] = {}
        for text in texts:
            part, equals, folders = text.partition("=")
            if not equals or not _listed([folders]):
                raise NasError(f"--split {text!r}: must be none or PART=FOLDER, as in train=images")
            if part not in PARTS:
                raise one_of("part of the data", part, PARTS)
            parts[part] = (*parts.get(part, ()), *_listed([folders]))
        data["split"] = parts
    chosen: list[str] = data["classes"]  # type: ignore[assignment]
    if len(set(chosen)) < len(chosen) or len(chosen) == 1:
        raise NasError(f"--classes {','.join(chosen)}: must be at least two, each once")
    return validated(DataOptions, data, "data options")


def written(name: str) -> str:
    """A name as `data_options` takes it."""
    return '"' + name.replace('"', '""') + '"' if {",", '"'} & {*name} else name


def _listed(values: Iterable[str]) -> list[str]:
    return [name for value in values for item in _split(value) if (name := item.strip())]


def _split(text: str) -> list[str]:
    try:
        return next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise NasError(f"{shown(text)} are no names with commas between them: {error}") from None
