"""Networks with weights from elsewhere: those of a PyTorch, safetensors or ONNX file."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Real
from pathlib import Path

import torch
from torch import Tensor

from nas.architecture import Architecture, check_size, with_classes
from nas.formats.folded import folded_norms, unfold_norms
from nas.formats.weight_check import check_outputs
from nas.formats.weight_files import read_weight_file
from nas.formats.weight_matching import Matching
from nas.networks import find_network, made_here
from nas.resolution import Resolution
from nas.support.errors import NasError, NasWarning, check_type
from nas.support.files import given_path
from nas.support.plain_torch import plain_torch
from nas.torch_module import Network, build

EPS = 1e-5  # of the norms of `build`


@plain_torch()
def load_weights(
    arch: Architecture,
    path: Path,
    *,
    norm_eps: float = EPS,
    new_classifier: bool = False,
    seed: int = 0,
) -> Network:
    """A network with the weights of a file: `.onnx`, `.safetensors`, or else PyTorch's.

    `norm_eps` is the epsilon of the norms that the weights were trained with, which only an ONNX
    file says itself (networks of TensorFlow and torchvision's MobileNetV3 have 1e-3). With
    `new_classifier` the last layer is fresh, drawn by `seed`, where the file has another number of
    classes, and the first convolution of a network of one input channel sums those of the file.

    Errors: `NasError` for a file that is damaged or holds more than tensors; at the first tensor
    that fits nowhere, or in a file sorted by names in more than one place; and where an ONNX file
    computes something else than the network does with its weights.
    """
    check_type(norm_eps, "norm_eps", "a number", Real)
    if not 0 < norm_eps <= 1:
        raise NasError(f"the epsilon of norms must be above 0 and at most 1, not {norm_eps}")
    module, file = build(arch, seed=seed), read_weight_file(path)
    own = module.state_dict()
    if {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in file.state.items()}:
        module.load_state_dict(file.state)
        return module.eval()
    matching = Matching(file, norm_eps, new_classifier)
    with torch.no_grad():
        matching.fill(arch, module)
    if path.suffix == ".onnx" and not matching.adapted:
        check_outputs(arch, module.eval(), path)
    return module.eval()


def create_model(
    name: str,
    num_classes: int | None = None,
    *,
    weights: str | Path | None = None,
    in_chans: int | None = None,
    resolution: Resolution | None = None,
    norm_eps: float = EPS,
    images: Tensor | None = None,
    seed: int | None = None,
) -> Network:
    """The module of a network by its name (`nas references`), a usual synonym of it, or its file.

    Without `weights`, a file for `load_weights`, it is freshly initialised; with them it is in
    evaluation mode, with a fresh classifier where `num_classes` differs from the file's. Input
    channels and resolution are the network's own unless given.

    Norms that an ONNX file has folded into its layers have no statistics. To train such a network,
    give `images` (N, C, H, W), some of those that it will be trained on, normalised as there: the
    norms get the statistics of these, and compute the same. Errors: `NasError`. Warns with
    `NasWarning` where norms are left without statistics.
    """
    arch = made_here(find_network(name, resolution), "create_model")
    arch = with_classes(
        arch if in_chans is None else replace(arch, channels=check_size(in_chans, "in_chans")),
        arch.classes if num_classes is None else check_size(num_classes, "num_classes"),
    )
    if weights is None:
        return build(arch, seed=seed)
    module = load_weights(
        arch,
        given_path(weights, "weights"),
        norm_eps=norm_eps,
        new_classifier=num_classes is not None or in_chans is not None,
        seed=seed or 0,
    )
    if images is not None:
        check_type(images, "images", "a torch tensor (N, C, H, W)", Tensor)
        if not len(images) or images.shape[1:] != arch.input_shape:
            shape, wanted = tuple(images.shape), ("N", *arch.input_shape)
            raise NasError(f"images of shape {shape}: the network takes {wanted}")
        unfold_norms(module, images)
    elif folded_norms(module):
        warnings.warn(
            f"{weights}: norms are folded into its layers: the network computes what the file's "
            "does, but cannot be trained on from there unless create_model gets some images",
            NasWarning,
            stacklevel=2,
        )
    return module
