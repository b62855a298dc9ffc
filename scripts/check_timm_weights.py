"""Loads random weights of timm's networks into ours, from both formats, and compares the outputs.

    python scripts/check_timm_weights.py > scripts/results/timm_weights.txt

Needs timm, and torchvision with it. The difference is relative to the largest output.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import nn

from nas.formats.weights import load_weights
from nas.references import meant, reference
from nas.support.errors import NasError

NAMES = (
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "ghostnet_100",
    "resnet18",
    "resnet50",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "mnasnet_100",
    "regnety_004",
    "mobilenetv1_100",
    "mobilenetv4_conv_small",
    "lcnet_050",
    "resnet34",
    "repvgg_a0",
    "mobileone_s0",
)
SIDE = 64


def randomised(name: str) -> nn.Module:
    """timm's network with norm statistics of every size."""
    torch.manual_seed(0)
    module: nn.Module = timm.create_model(name).eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0, 0.2)
    return module


def compared(name: str, folder: Path) -> str:
    """The differences of the two formats, or why one is refused."""
    module, ours = randomised(name), meant(name)
    assert ours is not None
    images = torch.randn(2, 3, SIDE, SIDE)
    state = {key: value.contiguous() for key, value in module.state_dict().items()}
    torch.save(state, folder / "w.pth")
    save_file(state, folder / "w.safetensors")
    found = []
    for file in ("w.pth", "w.safetensors"):
        try:
            net = load_weights(reference(ours, resolution=SIDE), folder / file)
        except NasError as error:
            found.append(str(error).removeprefix(f"{folder / file}: "))
            continue
        with torch.no_grad():
            expected = module(images)
            difference = (net(images) - expected).abs().max() / expected.abs().max()
        found.append(f"{difference.item():.1e}")
    return f"{name:24}{found[0]:10}{found[1]}"


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    print(f"timm {timm.__version__}, {SIDE} px; difference of PyTorch's file, of safetensors'")
    with tempfile.TemporaryDirectory() as scratch:
        for one in NAMES:
            print(compared(one, Path(scratch)))


if __name__ == "__main__":
    main()
