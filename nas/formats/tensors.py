"""Tensors by name in a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from nas.support.errors import NasError
from nas.support.files import read_bytes

if TYPE_CHECKING:  # who reads no tensors does without torch
    from torch import Tensor


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file. Errors: `NasError` with the path and the reason."""
    from safetensors.torch import load

    try:
        return load(read_bytes(path, str(path), most=None))
    except SafetensorError as error:
        raise NasError(f"{path}: damaged: {error}") from None
    except KeyError as error:  # the format knows more types than torch does
        raise NasError(f"{path}: holds tensors of the type {error}, which torch has not") from None
