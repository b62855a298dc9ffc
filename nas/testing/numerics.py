"""Runs one network in torch and in onnxruntime, on weights and images that tell mistakes apart."""

from __future__ import annotations

import importlib.util
from typing import TypeVar

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from nas.formats.folding import State
from nas.formats.litert import LiteRT, installed
from nas.graph import Graph

M = TypeVar("M", bound=nn.Module)


def randomise(module: M) -> M:
    """Gives the module random weights and norm statistics that keep activations near 1.

    They are always the same. The module is put in evaluation mode and given back.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if tensor.dim() > 1:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("running_var", "norm.weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            else:
                tensor.normal_(0, 0.2, generator=generator)
    return module.eval()


def run_torch(module: nn.Module, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The module's output, without gradients."""
    with torch.no_grad():
        result: NDArray[np.floating] = module(torch.from_numpy(x)).numpy()
    return result


def run_onnx(model: onnx.ModelProto, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The `logits` of the model's `image`, by onnxruntime on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    result: NDArray[np.floating] = session.run(["logits"], {"image": x})[0]
    return result


def can_run_tflite() -> bool:
    """Whether the packages that write and run TFLite files are installed."""
    return installed() and importlib.util.find_spec("tflite") is not None


def run_tflite(graph: Graph, state: State, x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The outputs (N, features) of a graph's float32 TFLite model, by LiteRT."""
    from nas.formats.tflite import to_tflite

    return LiteRT(to_tflite(graph, state))(x.astype(np.float32))


def images(*shape: int) -> NDArray[np.float32]:
    """Noise, each image and channel with a mean and a contrast of its own."""
    rng = np.random.default_rng(0)
    mean, contrast = rng.standard_normal((2, *shape[:2], 1, 1))
    noise: NDArray[np.float32] = (mean + contrast * rng.standard_normal(shape)).astype(np.float32)
    return noise
