"""Options and arguments that several commands share."""

from typing import Annotated

import typer

StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        help="Folder of study journals, or an Optuna storage URL such as sqlite:///nas.db. "
        "Default: ./studies",
        show_default=False,
        envvar="NAS_STORAGE",
    ),
]
StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study's name, or its journal's path.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
