"""The weights that a file of nas' own holds beside its architecture, to be written in another."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.networks import file_metadata
from nas.references import reference_names
from nas.support.errors import NasError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nas.torch_module import Network

UNTRAINED = "untrained"
ANEW = ("architecture", "versions", "int8")  # what is not as in the file that is read


def file_weights(
    name: str, arch: Architecture, *, int8: bool = False
) -> tuple[Callable[[], Network], dict[str, str]] | None:
    """How to load the weights of the file of that name, and what its metadata say of them; None of
    what holds none, or untrained ones.

    Errors: `NasError` where they are trained and cannot be had from this file, or not as `int8`,
    which needs images.
    """
    path = Path(name)
    if name in reference_names() or path.suffix not in (".onnx", ".tflite") or not path.exists():
        return None
    about = file_metadata(path)
    what = about.get("weights")
    if what == UNTRAINED or (what is None and (int8 or path.suffix != ".onnx")):
        return None
    if int8 or path.suffix != ".onnx" or "int8" in about:
        why = "int8 is calibrated on images" if int8 else "such a file's weights are not read"
        raise NasError(f"{name}: {what}, and {why}: export the folder of its training instead")
    from nas.formats.weights import load_weights

    kept = {key: value for key, value in about.items() if key not in ANEW}
    return partial(load_weights, arch, path), kept
