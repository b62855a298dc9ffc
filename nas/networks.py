"""A network by a published one's name, or by a file: an architecture's JSON, or nas' export.

`nas.study.networks` finds studies and trainings too, and falls back on this.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.architecture import Architecture
from nas.references import meant, reference, reference_names
from nas.support.errors import NasError, one_of
from nas.support.files import read_text

SUFFIXES = (".json", ".onnx", ".tflite")


def find_network(
    name: str,
    resolution: int | None = None,
    *,
    folders: Sequence[Path] = (Path(),),
    others: Iterable[str] = (),
) -> Architecture:
    """The network of that name or a usual synonym of it, or of the file in one of the `folders`.

    `resolution` is the input size of a published network, its own unless given. `others` are
    further names that an unknown one may have meant. Errors: `NasError`.
    """
    published = meant(name)
    if published == name:
        return reference(name, resolution=resolution)
    paths = [folder / name for folder in folders if name]
    path = next((path for path in paths if os.path.exists(path)), None)
    if path is None and published:
        return reference(published, resolution=resolution)
    if path is None:
        if Path(name).suffix not in SUFFIXES:
            raise one_of("network", name, [*reference_names(), *others])
        path = paths[-1]
    arch = read_network(path)
    if resolution not in (None, arch.resolution):
        raise NasError(f"resolution must be the file's, {arch.resolution}, not '{resolution}'")
    return arch


def read_network(path: Path) -> Architecture:
    """The architecture of a JSON file, or of the metadata of an ONNX or TFLite file of nas'.

    Errors: `NasError` with the file and the rule.
    """
    match path.suffix:
        case ".onnx":
            text = _metadata(path)
        case ".tflite":
            text = _tflite_metadata(path)
        case _:
            text = read_text(path, str(path))
    try:
        return Architecture.from_json(text)
    except NasError as error:
        raise NasError(f"{path}: {error}") from None


def _metadata(path: Path) -> str:
    """The architecture's JSON in an ONNX file."""
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    except Exception:  # protobuf has an error of its own for every kind of damage
        raise NasError(f"{path}: not an ONNX file") from None
    for entry in model.metadata_props:
        if entry.key == "architecture":
            return str(entry.value)
    raise _not_ours(path)


def _tflite_metadata(path: Path) -> str:
    """The architecture's JSON in a TFLite file."""
    from nas.formats.tflite import read_metadata

    try:
        known = read_metadata(path.read_bytes())
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    except NasError as error:
        raise NasError(f"{path}: {error}") from None
    if "architecture" not in known:
        raise _not_ours(path)
    return known["architecture"]


def _not_ours(path: Path) -> NasError:
    return NasError(
        f"{path}: its metadata have no 'architecture': it was not written by this program"
    )
