"""Runs one network in torch and in onnxruntime."""

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and norm statistics that keep activations near 1; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
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


def run_torch(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        result: np.ndarray = module(torch.from_numpy(x)).numpy()
    return result


def run_onnx(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    result: np.ndarray = session.run(["logits"], {"image": x})[0]
    return result


def images(*shape: int) -> np.ndarray:
    """Noise, each image and channel with a mean and a contrast of its own."""
    rng = np.random.default_rng(0)
    mean, contrast = rng.standard_normal((2, *shape[:2], 1, 1))
    return np.asarray(mean + contrast * rng.standard_normal(shape), np.float32)
