"""Writes bundles: a folder of ONNX models without weights, and the script that times them.

A thousand networks would be gigabytes of random weights, so the models refer to files of random
numbers that the runner makes where it runs. Each such file holds weights of one standard deviation,
and all models share it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from math import log2, prod
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import onnx
from onnx import TensorProto

import nas.latency.runner
from nas.formats.onnx_model import OPSET, graph_to_onnx
from nas.formats.onnx_nodes import HARD_SWISH, LAYER_NORM
from nas.formats.quantise import quantised
from nas.graph import Graph
from nas.latency.runner.batches import Entry
from nas.latency.runner.main import FORMAT, MANIFEST
from nas.latency.runner.timing import CPU, TimingSettings
from nas.latency.table import Subject
from nas.support.errors import NasError
from nas.support.files import write_whole

SCRIPT = "measure.pyz"
INLINE = 1024  # bytes; smaller tensors stay in the model
# onnxruntime runs an int8 network's hard-swish in float where it is one node, as in the shipped
# int8 table, and not where it is two; in float32 it makes the same kernels of both.
OPSETS = {"int8": HARD_SWISH}
PAGE = 4096  # bytes; a weight begins at a multiple, so that it can be mapped into memory


def write_bundle(
    folder: Path,
    subjects: Iterable[Subject],
    *,
    target: str,
    settings: TimingSettings,
    precision: str,
    minutes: float,
) -> int:
    """Writes `measure.pyz`, `manifest.json` and the models; returns the number of models.

    Errors: `NasError` where the folder cannot be written.
    """
    entries = list(model_files(folder / "models", subjects, precision, settings.provider))
    manifest = {
        "format": FORMAT,
        "target": target,
        "precision": precision,
        "minutes": minutes,
        "settings": settings._asdict(),
        "models": [entry._asdict() for entry in entries],
    }
    write_whole(folder / SCRIPT, runner_script())
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1))
    return len(entries)


def model_files(
    folder: Path, subjects: Iterable[Subject], precision: str, provider: str = CPU
) -> Iterator[Entry]:
    """Yields the entry of each subject; its model is written to `folder` just before. In int8 for
    TensorRT, which reads no other, every zero is at 0."""
    symmetric = provider.lower().startswith("tensorrt")
    for i, subject in enumerate(subjects):
        model, weights = skeleton(subject.graph(), precision, symmetric=symmetric)
        name = f"{i:05d}.onnx"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(model.SerializeToString())
        except OSError as error:
            raise NasError(f"{folder / name} cannot be written: {error.strerror}") from None
        yield Entry(subject.kind, subject.spec, name, weights)


def skeleton(
    graph: Graph, precision: str = "fp32", *, symmetric: bool = False
) -> tuple[onnx.ModelProto, dict[str, int]]:
    """A model whose larger weights are in other files, and the bytes it takes of each file.

    The weights of a model never overlap: shared weights would need less memory than real ones.
    """
    # Written in its parts, onnxruntime does not put every layer norm together: ViTs took twice as
    # long as their files.
    norms = any(node.op == "layer_norm" for node in graph.nodes)
    opset = OPSETS.get(precision, LAYER_NORM if norms else OPSET)
    model = graph_to_onnx(graph, seed=None, opset=opset)
    if precision == "int8":
        model = quantised(model, symmetric=symmetric)
    used: dict[str, int] = {}
    for tensor in model.graph.initializer:
        size = len(tensor.raw_data)
        name = _weight_file(tensor)
        if name is None or size < INLINE or np.frombuffer(tensor.raw_data, np.uint8).any():
            continue
        offset = -(-used.get(name, 0) // PAGE) * PAGE
        used[name] = offset + size
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": name, "offset": offset, "length": size}.items():
            tensor.external_data.add(key=key, value=str(value))
    return model, used


def _weight_file(tensor: onnx.TensorProto) -> str | None:
    """The name of the file that holds a weight, see `grow_weights`; None for other int8 tensors."""
    weight = len(tensor.dims) > 1
    if tensor.data_type == TensorProto.INT8:
        return "i8" if weight else None
    if not weight:
        return "zero"
    deviation = (2 / prod(tensor.dims[1:])) ** 0.5  # the name has the nearest power of √2
    return f"f{2 ** (round(2 * log2(deviation)) / 2):.4f}"


def runner_script() -> bytes:
    """The bytes of `measure.pyz`: the runner as one file that Python runs."""
    script = io.BytesIO()
    source = Path(nas.latency.runner.__file__).parent
    with ZipFile(script, "w") as archive:
        for path in sorted(source.glob("*.py")):
            archive.writestr(f"runner/{path.name}", path.read_text(encoding="utf-8"))
        archive.writestr("__main__.py", MAIN)
    return script.getvalue()


# Older Pythons must be able to read this much.
MAIN = """\
import sys

if sys.version_info < (3, 8):
    version = "{}.{}".format(*sys.version_info)
    sys.exit("measure.pyz: Python {} is too old: run it with 3.8 or newer".format(version))
try:
    from runner.main import main
except Exception as error:  # a package that is broken throws more than ImportError
    what = " ".join(str(error).split()) or type(error).__name__
    sys.exit("measure.pyz: {}; install what it needs: pip install numpy onnxruntime".format(what))
main()
"""
