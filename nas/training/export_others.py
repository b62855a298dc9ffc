"""Exports in the formats of single runtimes, each run before it is kept: it must compute as torch.

A format is a runtime of `nas.latency.runtimes`, or `torch`, a program of torch.export.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from nas.architecture import Architecture
from nas.branches import deployed, deployed_state
from nas.formats.endings import BESIDE_BIN, OTHER_ENDINGS
from nas.formats.ncnn import write_ncnn
from nas.formats.verified import IMAGES, TOLERANCE, noise, output_file
from nas.latency.runtimes import Array, find_runtime
from nas.support.errors import NasError
from nas.support.files import write_whole
from nas.support.plain_torch import plain_torch


class Checked(NamedTuple):
    """The files that were written, the runtime that ran them, and the largest difference of its
    outputs from torch's on noise, relative to the largest output where that is above 1; None where
    the runtime is not installed."""

    files: list[Path]
    runtime: str
    difference: float | None


@plain_torch()
def export_other(form: str, arch: Architecture, module: nn.Module, path: Path) -> Checked:
    """Writes the module in a format of `OTHER_ENDINGS`; what belongs to it has the same stem.

    Errors: `NasError` where the runtime is not installed (ncnn's files are written without it, and
    not run), its outputs differ from torch's by more
    than 1e-4 (nothing is written then), or a file cannot be written or belongs to another.
    """
    target = output_file(path)
    if target.suffix != OTHER_ENDINGS[form]:
        raise NasError(f"--output {path}: a file of {form} ends in {OTHER_ENDINGS[form]}")
    images = noise(arch, IMAGES, seed=1)
    with torch.no_grad():
        expected = deepcopy(module).eval().double()(images.double()).numpy()
    with TemporaryDirectory() as name:
        folder = Path(name)
        made = folder / target.name
        difference = None
        if form == "ncnn" and find_spec("ncnn") is None:
            write_ncnn(made, arch.graph(), deployed_state(module))
            title = form
        else:
            title, run = (_torch if form == "torch" else _runtime(form))(arch, module, made)
            found = np.concatenate([run(image) for image in np.split(images.numpy(), IMAGES)])
            difference = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
            if not difference <= TOLERANCE:
                raise NasError(f"{title} differs from torch by {difference:.2g}, over {TOLERANCE}")
        files = [target.with_name(part.name) for part in sorted(folder.iterdir())]
        _check_beside(target, files)
        for file in files:
            write_whole(file, (folder / file.name).read_bytes())
    return Checked(files, title, difference)


def _check_beside(target: Path, files: list[Path]) -> None:
    """Errors: `NasError` where a file beside `target` is there and is not its own: without it, or
    with a file of the other format that has weights of that name."""
    others = [target.with_suffix(ending) for ending in BESIDE_BIN if ending != target.suffix]
    for file in files:
        if file == target or not file.exists():
            continue
        other = next((each.name for each in others if each.exists()), None)
        if other or not target.exists():
            whose = f"of {other}" if other else f"not of {target.name}"
            raise NasError(f"{file} is there and {whose}: name another file with --output")


Run = Callable[[Array], Array]
Writer = Callable[[Architecture, nn.Module, Path], tuple[str, Run]]


def _runtime(form: str) -> Writer:
    """What writes a runtime's own format and gives what runs it."""

    def write(arch: Architecture, module: nn.Module, path: Path) -> tuple[str, Run]:
        runtime = find_runtime(form)
        runtime.export(path, arch.graph(), deployed_state(module))
        return runtime.title, runtime.load(path).outputs

    return write


def _torch(arch: Architecture, module: nn.Module, path: Path) -> tuple[str, Run]:
    """A program of torch.export, read back."""
    image = torch.zeros(1, *arch.input_shape)
    torch.export.save(torch.export.export(deployed(module).eval(), (image,)), path)
    program = torch.export.load(path).module()

    def run(image: Array) -> Array:
        with torch.no_grad():
            result: Array = program(torch.from_numpy(image)).numpy()
        return result

    return f"torch {torch.__version__}", run
