"""A network by a published one's name, or by a file: JSON, nas' export, any ONNX.

`nas.study.networks` finds studies and trainings too, and falls back on this.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

from nas.architecture import Architecture
from nas.blocks import KINDS
from nas.imported import ImportedNetwork, Network, check_network
from nas.references import meant, reference, reference_names
from nas.references.synonyms import without_size
from nas.resolution import Resolution, read_resolution, sides
from nas.support.errors import NasError, NasNote, one_of, shown
from nas.support.files import read_text

SUFFIXES = (".json", ".onnx", ".tflite")


def find_network(
    name: str,
    resolution: Resolution | None = None,
    *,
    folders: Sequence[Path] = (Path(),),
    others: Iterable[str] = (),
) -> Network:
    """The network of that name or a usual synonym of it, or of the file in one of the `folders`.

    `resolution` is the input size of a published network, its own unless given, or that of an ONNX
    file that leaves it open. `others` are further names that an unknown one may have meant. Errors:
    `NasError`.
    """
    published = meant(name)
    bare, size = without_size(name)
    if published is None and size and (published := meant(bare)):
        if resolution not in (None, own := read_resolution(size)):
            raise NasError(f"{name} has images of {size} pixels, the resolution is {resolution}")
        resolution = own
    if published == name:
        return reference(name, resolution=resolution)
    paths = [folder / name for folder in folders if name]
    path = next((path for path in paths if os.path.exists(path)), None)
    if path is None and published:
        return reference(published, resolution=resolution)
    if path is None:
        if Path(name).suffix not in SUFFIXES:
            names = [*reference_names(), *others, *_files_near(name)]
            raise one_of("network", name, names, lister="nas references")
        path = paths[-1]
    return network_file(path, resolution)


def _files_near(name: str) -> list[str]:
    """The files of networks that are called nearly so; what is in others is not looked at."""
    files = dict[str, Path]()
    with suppress(OSError):  # a name that is too long is none of a folder
        found = Path(name).parent.glob("*.*")
        files = {str(file).lower(): file for file in found if file.suffix in SUFFIXES}
    near = [files[text] for text in get_close_matches(name.lower(), files)]
    return [str(file) for file in near if _holds_network(file)]


def _holds_network(path: Path) -> bool:
    if path.suffix == ".onnx":  # whoever wrote it
        return True
    with suppress(NasError):
        read_network(path)
        return True
    return False


def network_file(path: Path, resolution: Resolution | None = None) -> Network:
    """The network of a file, whoever wrote it; `resolution` as for `find_network`. Errors:
    `NasError`."""
    size = None if resolution is None else read_resolution(resolution)
    if path.is_dir():
        raise NasError(f"{path}: a folder without a training: it has no training.json")
    if path.suffix == ".onnx":
        text = file_metadata(path).get("architecture")
        unknown = None if text is None else _unknown_block(text)
        if unknown:
            warnings.warn(
                f"{path}: read as a file of another program, for block {shown(unknown)} is not "
                "registered (--plugin FILE loads a plugin's)",
                NasNote,
                stacklevel=2,
            )
        if text is None or unknown:
            from nas.formats.onnx_import import read_onnx

            return read_onnx(path, None if size is None else sides(size))
    arch = read_network(path)
    if size not in (None, arch.resolution):
        raise NasError(f"resolution must be the file's, {arch.resolution}, not '{resolution}'")
    return arch


def _unknown_block(text: str) -> str | None:
    """The first block of an architecture's JSON that is not registered, None where all are, or the
    JSON is damaged."""
    with suppress(ValueError, LookupError, TypeError, RecursionError):
        data = json.loads(text)
        rows = [*data["stem"], *chain.from_iterable(data["stages"]), *data["head"]]
        return next((row["kind"] for row in rows if row["kind"] not in KINDS), None)
    return None


def made_here(network: Network, what: str) -> Architecture:
    """The network itself, where nas wrote it. Errors: `NasError` that says `what` needs that."""
    check_network(network, what)
    if isinstance(network, ImportedNetwork):
        raise NasError(
            f"{network.name} was not written by nas, or has a block of a plugin (--plugin), so it "
            f"has no architecture, which {what} needs"
        )
    return network


def read_network(path: Path) -> Architecture:
    """The architecture of a JSON file, or of the metadata of an ONNX or TFLite file of nas'.

    Errors: `NasError` with the file and the rule.
    """
    match path.suffix:
        case ".onnx" | ".tflite":
            text = file_metadata(path).get("architecture")
        case _:
            text = read_text(path, str(path))
    if text is None:
        raise NasError(
            f"{path}: its metadata have no 'architecture': it was not written by this program"
        )
    try:
        return Architecture.from_json(text)
    except NasError as error:
        raise NasError(f"{path}: {error}") from None


def file_metadata(path: Path) -> dict[str, str]:
    """The texts in an ONNX or TFLite file's metadata by their names. Errors: `NasError`."""
    if path.suffix == ".onnx":
        from nas.formats.onnx_import.loading import parsed

        return {entry.key: str(entry.value) for entry in parsed(path).metadata_props}
    from nas.formats.tflite import read_metadata

    try:
        return read_metadata(path.read_bytes())
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    except NasError as error:
        raise NasError(f"{path}: {error}") from None
