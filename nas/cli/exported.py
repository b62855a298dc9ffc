"""What is written into a file that `nas export` makes, and said of one, whatever it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nas.cli.terminal import echo

INHERITED = "the weights are inherited and not fine-tuned: that is for the folder of a finalist"
UNTRAINED = "the weights are untrained: the file is the architecture, ready to be measured"


def of_file(name: str, about: Mapping[str, str]) -> str:
    """Says whose the weights are that were read from a file, by its metadata."""
    said = about.get("weights")
    return f"the weights are those of {name}" + (f": {said}" if said else "")


def versions() -> str:
    """The versions that an exported file was made with, as JSON."""
    import onnx
    import torch

    from nas._version import __version__

    made = {"hw-nas": __version__, "torch": torch.__version__, "onnx": onnx.__version__}
    return json.dumps(made)


def not_run(what: str, install: str) -> str:
    """Says that a file was not run, since what would run it is not installed."""
    return f"the file was not run: {what} is not installed ({install})"


NOT_RUN = not_run("LiteRT", "pip install ai-edge-litert")


def print_difference(what: str, difference: float) -> None:
    """Says how far the outputs of a file, or of what ran it, are from torch's."""
    echo(
        f"largest difference between {what} and torch, relative to the largest output where that "
        f"is above 1: {difference:.2g}"
    )
