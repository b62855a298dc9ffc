"""Files of weights, read as the convolutions, linear layers and norms whose tensors they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from nas.formats.onnx_import.loading import load
from nas.formats.tensors import read_tensors
from nas.support.errors import NasError
from nas.support.files import read_bytes
from nas.support.text import whole_number

NESTED = ("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "net")
SUFFIXES = {"weight", "bias", "running_mean", "running_var"}
COUNTER = "num_batches_tracked"


@dataclass(eq=False)
class Module:
    """A convolution, linear layer or batch norm of a file.

    `path` is its name in parts; the norm behind a layer has the layer's path but for the last part,
    mostly. `tensors` are float32, by `SUFFIXES`. `eps` is the norm's, where the file says it.
    """

    path: tuple[str, ...]
    name: str
    kind: Literal["layer", "norm"]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    eps: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the weight, without the dimensions of 1 at its end."""
        weight = self.tensors.get("weight", self.tensors.get("running_mean"))
        assert weight is not None
        return squeezed(weight.shape)


class WeightFile(NamedTuple):
    """The modules of a file. `ordered`: their order is that of execution or of registration, not
    that of names. `state` are the tensors as they are named, without those of an ONNX file."""

    path: Path
    modules: tuple[Module, ...]
    ordered: bool
    state: Mapping[str, Tensor]


def squeezed(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without the dimensions of 1 at its end, as 1x1 convolutions and linear layers share.

    >>> squeezed((1000, 1280, 1, 1))
    (1000, 1280)
    """
    sizes = list(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)


def read_weight_file(path: Path) -> WeightFile:
    """The weights of a file: ONNX or safetensors by its suffix, or else what `torch.save` wrote of
    tensors alone. Errors: `NasError` with the path and the reason."""
    if path.suffix == ".onnx":
        model, _ = load(path)
        try:
            modules = tuple(_of_onnx(model))
        except (KeyError, IndexError, TypeError, ValueError):  # a node as no exporter writes it
            raise NasError(f"{path}: weights of its layers are missing or damaged") from None
        state: dict[str, Tensor] = {}
    else:
        ordered = path.suffix != ".safetensors"
        state = dict(_read_torch(path) if ordered else read_tensors(path))
        if not ordered:  # such files are sorted as text
            state = dict(sorted(state.items(), key=lambda entry: natural(entry[0])))
        modules = tuple(_of_state(state, path))
    if not modules:
        raise NasError(f"{path}: holds no weights of convolutions or linear layers")
    for module in modules:
        if not all(bool(value.isfinite().all()) for value in module.tensors.values()):
            raise NasError(f"{path}: {module.name} has values that are no finite numbers")
    return WeightFile(path, modules, path.suffix != ".safetensors", state)


def natural(name: str) -> list[tuple[int, str]]:
    """The sorting key of a name by which its numbers count as numbers."""
    parts = ((whole_number(part), part) for part in re.split(r"(\d+)", name))
    return [(-1, part) if number is None else (number, "") for number, part in parts]


def _read_torch(path: Path) -> Mapping[str, Tensor]:
    data = read_bytes(path, str(path), most=None)
    try:
        content = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise NasError(
                f"{path}: holds more than tensors, which could run code: save the state_dict()"
            ) from None
        raise NasError(f"{path}: damaged, or no file of weights") from None
    except Exception:  # every kind of damage has an error of its own
        raise NasError(f"{path}: damaged, or no file of weights") from None
    if not isinstance(content, Mapping):
        raise NasError(f"{path}: holds no tensors by name but {type(content).__name__}")
    tensors = _tensors(content)
    if not tensors:
        raise NasError(f"{path}: holds no tensors")
    return tensors


def _tensors(content: Any) -> Mapping[str, Tensor]:
    """The state dict in what was saved, which may hold it beside other things, tensors too: the
    accuracy so far, say."""
    if not isinstance(content, Mapping):
        return {}
    own = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    named = [content[key] for key in NESTED if key in content]
    others = [] if own else content.values()
    return next(filter(None, map(_tensors, chain(named, others))), own)


def _of_state(state: Mapping[str, Tensor], path: Path) -> Iterator[Module]:
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        owner, _, suffix = name.rpartition(".")
        counts = value.ndim == 0 and not value.is_floating_point()  # steps, or batches of a norm
        # Auxiliary classifiers serve training alone.
        if counts or suffix == COUNTER or any(p[:3] == "aux" for p in owner.split(".")):
            continue
        plain = value.is_floating_point() and value.layout == torch.strided and not value.is_meta
        if suffix not in SUFFIXES or not plain:
            raise NasError(f"{path}: {name} {tuple(value.shape)} is no weight of a known layer")
        found.setdefault(owner, {})[suffix] = value.float()
    for owner, tensors in found.items():
        parts = tuple(owner.split("."))
        if "running_mean" in tensors and "running_var" in tensors:
            yield Module(parts, owner, "norm", tensors)
        elif "weight" in tensors and tensors["weight"].ndim > 1:
            yield Module(parts, owner, "layer", tensors)
        else:
            suffix, value = next(iter(tensors.items()))
            shape = tuple(value.shape)
            raise NasError(f"{path}: {owner}.{suffix} {shape} is no weight of a known layer")


def _folded(scale: Tensor) -> dict[str, Tensor]:
    """The norm that multiplies by a scale."""
    statistics = {"running_mean": torch.zeros(len(scale)), "running_var": torch.ones(len(scale))}
    return {"weight": scale, **statistics}


def _of_onnx(model: onnx.ModelProto) -> Iterator[Module]:
    """The layers and norms of an ONNX graph in execution order."""
    constants = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        elif node.op_type == "Identity" and node.input[0] in constants:  # of equal weights, once
            constants[node.output[0]] = constants[node.input[0]]
    made: dict[str, Module] = {}  # by the name of what it computes
    found: list[Module] = []

    def value(name: str) -> Tensor:
        return torch.from_numpy(np.array(numpy_helper.to_array(constants[name]), np.float32))

    for node in model.graph.node:
        fixed = [name for name in node.input if name in constants]
        before = made.get(node.input[0]) if node.input else None
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type in ("Conv", "Gemm", "MatMul") and fixed[:1] == list(node.input[1:2]):
            weight = value(fixed[0])
            if node.op_type == "MatMul" or (
                node.op_type == "Gemm" and not attributes.get("transB")
            ):
                weight = weight.T
            layer = Module((str(len(found)), "layer"), fixed[0], "layer", {"weight": weight})
            if len(fixed) > 1:
                layer.tensors["bias"] = value(fixed[1]).flatten()
            found.append(layer)
            made[node.output[0]] = layer
        elif node.op_type == "BatchNormalization":
            names = ("weight", "bias", "running_mean", "running_var")
            tensors = {k: value(n) for k, n in zip(names, node.input[1:], strict=False)}
            owner = before.path[0] if before else f"norm{len(found)}"
            eps = float(attributes.get("epsilon", 1e-5))
            found.append(Module((owner, "norm"), node.input[1], "norm", tensors, eps))
        elif node.op_type == "Mul" and fixed and not before and value(fixed[0]).ndim == 4:
            # A norm on its own, as `nas.to_onnx` writes it: this scale, then a shift.
            scale = value(fixed[0]).flatten()
            found.append(Module((fixed[0], "norm"), fixed[0], "norm", _folded(scale), 0.0))
            made[node.output[0]] = found[-1]
        elif node.op_type == "Add" and before and fixed and "bias" not in before.tensors:
            bias = value(fixed[0])
            if bias.numel() == len(before.tensors["weight"]):
                before.tensors["bias"] = bias.flatten()
    yield from found
