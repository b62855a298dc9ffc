"""An ONNX file from anywhere, loaded with distrust: its bytes, its external weights, its order."""

from __future__ import annotations

import os
from heapq import heappop, heappush
from pathlib import Path

import onnx
from onnx import TensorProto
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_tensor

from nas.support.errors import NasError, one_line, shown

MOST_BYTES = (1 << 31) - 1  # what a protobuf can hold
MOST_NODES = 100_000
OLDEST_OPSET = 7  # before it, operations broadcast by attributes
DOMAINS = ("", "ai.onnx")


def load(path: Path) -> tuple[onnx.ModelProto, int]:
    """The model with its weights, its nodes in an order in which they can be executed, and its
    opset. Errors: `NasError` with the file and the rule that it breaks."""
    model = parsed(path)
    try:
        _check_names(model.graph)
        opset = _opset(model)
        for tensor in _tensors(model.graph):
            if tensor.data_location == TensorProto.EXTERNAL:
                _load_external(tensor, path.parent)
        nodes = _sorted(model.graph)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    except NasError as error:
        raise NasError(f"{path}: {error}") from None
    return model, opset


def parsed(path: Path) -> onnx.ModelProto:
    """The file's bytes as a model, weights in other files left out. Errors: as `load`."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise NasError(f"{path}: not an ordinary file")
        if size > MOST_BYTES:
            raise NasError(
                f"{path}: {size / 1e9:.1f} GB is more than the 2 GB that an ONNX file may have; "
                "larger weights stand in files beside it"
            )
        data = path.read_bytes()
    except OSError as error:
        raise NasError(f"{path}: {error.strerror}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception:  # protobuf has an error of its own for every kind of damage
        raise NasError(f"{path}: not an ONNX file, or cut off") from None
    if not model.graph.node or not model.graph.output:
        raise NasError(f"{path}: not an ONNX file, or cut off: it has no network")
    return model


def _check_names(graph: onnx.GraphProto) -> None:
    """Errors: `NasError` where a name is no text, which protobuf lets pass as bytes."""
    named = [*graph.initializer, *graph.input, *graph.output, *graph.value_info, *graph.node]
    names: list[object] = [each.name for each in named]
    for node in graph.node:
        names += [node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    if not all(isinstance(name, str) for name in names):
        raise NasError("damaged: a name is no text")


def _opset(model: onnx.ModelProto) -> int:
    newest = onnx.defs.onnx_opset_version()
    versions = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    opset = versions[0] if versions else 1
    if not OLDEST_OPSET <= opset <= newest:
        raise NasError(f"opset {opset} cannot be read, only {OLDEST_OPSET} to {newest}")
    return opset


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """The tensors that hold weights."""
    attributes = [a for node in graph.node for a in node.attribute]
    return [*graph.initializer, *(a.t for a in attributes if a.HasField("t"))]


def _load_external(tensor: onnx.TensorProto, folder: Path) -> None:
    """Reads a tensor from a file in the model's own folder."""
    try:
        info = ExternalDataInfo(tensor)
        offset, length = int(info.offset or 0), int(info.length or 0)
    except (TypeError, ValueError):
        raise NasError(f"weights {shown(tensor.name)}: their place is damaged") from None
    place, root = Path(os.path.realpath(folder / info.location)), Path(os.path.realpath(folder))
    if Path(info.location).is_absolute() or root not in place.parents:
        raise NasError(
            f"its weights are in {shown(info.location)}, outside its folder, which is refused"
        )
    if not place.is_file():
        raise NasError(f"its weights are in {shown(info.location)}, which is not there")
    if min(offset, length) < 0 or offset + length > place.stat().st_size:
        raise NasError(f"its weights are in {shown(info.location)}, which is cut off")
    try:
        load_external_data_for_tensor(tensor, str(root))
    except Exception as error:  # onnx raises what its versions like
        raise NasError(f"{shown(info.location)} cannot be read: {one_line(error):.100}") from None
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _sorted(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes, each behind those that make its inputs, in the file's order as far as can be."""
    if len(graph.node) > MOST_NODES:
        raise NasError(f"{len(graph.node)} nodes are more than the {MOST_NODES} that are read")
    maker: dict[str, int] = {}
    for i, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if maker.setdefault(name, i) != i:
                raise NasError(f"tensor {shown(name)} is made twice")
    known = {t.name for t in graph.initializer} | {t.name for t in graph.input}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    for i, node in enumerate(graph.node):
        needed = {name for name in node.input if name and name not in known}
        for name in needed:
            if name not in maker:
                raise NasError(f"tensor {shown(name)} is read, but nothing makes it")
        makers = {maker[name] for name in needed}
        waiting.append(len(makers))
        for j in makers:
            readers.setdefault(j, []).append(i)
    ready = [i for i, count in enumerate(waiting) if not count]
    order: list[int] = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for j in readers.get(i, ()):
            waiting[j] -= 1
            if not waiting[j]:
                heappush(ready, j)
    if len(order) < len(graph.node):
        raise NasError("its nodes form a cycle")
    return [graph.node[i] for i in order]
