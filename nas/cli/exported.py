"""What is written into a file that `nas export` makes, and said of one, whatever it is of."""

from __future__ import annotations

import json

from nas.cli.terminal import echo

UNTRAINED = "the weights are untrained: the file is the architecture, ready to be measured"
NOT_RUN = "the file was not run: LiteRT is not installed (pip install ai-edge-litert)"


def versions() -> str:
    """The versions that an exported file was made with, as JSON."""
    import onnx
    import torch

    from nas._version import __version__

    made = {"hw-nas": __version__, "torch": torch.__version__, "onnx": onnx.__version__}
    return json.dumps(made)


def print_difference(what: str, difference: float) -> None:
    """Says how far the outputs of a file, or of what ran it, are from torch's."""
    echo(
        f"largest difference between {what} and torch, relative to the largest output where that "
        f"is above 1: {difference:.2g}"
    )
