"""Options that say how data are read, and what was understood of them before work begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.terminal import echo, say
from nas.support.resources import document

if TYPE_CHECKING:
    from nas.data import DataSet

DATA = (
    "digits, fashion-mnist, a folder of images or of IDX files, a CSV of labels, or Parquet, tar "
    f"or .npz files; see {document('data.md')}"
)
SplitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        help="Folders of a part of the data, repeatable: train=FOLDER[,FOLDER], validation=..., "
        "test=...; or none: each folder is a class. Default: by their names.",
        show_default=False,
    ),
]
ClassesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        help="These classes alone, repeatable: a,b,'\"with, comma\"'. Default: all.",
        show_default=False,
    ),
]
LeftOutOption = Annotated[
    float | None,
    typer.Option(
        "--left-out",
        help="Share of the images that may be left out as unreadable. Default: 0.25.",
        show_default=False,
    ),
]
TestShareOption = Annotated[
    float | None,
    typer.Option(
        "--test-share",
        help="Share of the images to set aside as a test, where the data have none.",
        show_default=False,
    ),
]
ImageSizeOption = Annotated[
    str | None,
    typer.Option(
        "--image-size",
        help="What image files are fitted to, a number or HEIGHTxWIDTH. Default: a square of the "
        "median of their shorter sides, at most 256.",
        show_default=False,
    ),
]
MovedOption = Annotated[
    str | None,
    typer.Option(
        "--data", help="Where the data are now. Default: where they were.", show_default=False
    ),
]


def open_data(
    source: str | None,
    split: list[str] | None,
    classes: list[str] | None,
    left_out: float | None,
    test_share: float | None = None,
    image_size: str | None = None,
) -> DataSet | None:
    """The data set that the options name, after what was understood of it is said; None without."""
    from nas.data import DataOptions, data_options, load_data
    from nas.support.errors import NasError

    options = data_options(split, classes, left_out, test_share, image_size)
    if source is None:
        if options != DataOptions():
            options_of_data = "--split, --classes, --left-out, --test-share and --image-size"
            raise NasError(f"{options_of_data} say how to read --data: give it too")
        return None
    data = load_data(source, options=options)
    tell(data)
    return data


def tell(data: DataSet) -> None:
    """Says on standard error what was understood of a data set and what is odd about it."""
    for line in (data.describe(), *(f"  {line}" for line in data.understood)):
        say(line)
    for note in data.notes:
        echo(f"data: {note}", err=True)
