"""Does OpenVINO execute the kernels of our lowering? Compares both for published networks.

    python scripts/openvino_layers.py > scripts/results/openvino_layers.txt

Runs each network at 64 pixels in OpenVINO's CPU plugin, in float32, and counts the layers that it
says it executes. Prints a line a network: how many layers there are, how many reorders and
reshapes, which the lowering `openvino` does not have, and the kinds of which it has another number.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import nas
from nas.latency.runtimes import find_runtime
from nas.testing.openvino_layers import MOVES, differences

NETWORKS = (  # noqa: SIM905
    "alexnet densenet121 efficientnet_b0 efficientnet_lite0 ghostnet_050 googlenet lcnet_050 "
    "mlperf_tiny_resnet8 mlperf_tiny_vww mnasnet_100 mobilenet_v1_050 mobilenet_v2_100 "
    "mobilenet_v3_large_100 mobilenet_v3_small_100 mobilenet_v4_conv_small mobileone_s0 "
    "proxylessnas_mobile regnety_400mf repvgg_a0 resnet18 resnet50 shufflenet_v1_x0_5 "
    "shufflenet_v2_x0_5 shufflenet_v2_x0_5_megvii squeezenet1_1 squeezenext_1_0_23 vgg11_bn"
).split()
RESOLUTION = 64


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    runtime = find_runtime("openvino")
    print(f"{runtime.title}, {RESOLUTION} pixels")
    with TemporaryDirectory() as folder:
        for name in NETWORKS:
            arch = nas.reference(name, resolution=RESOLUTION)
            path = Path(folder) / "model.onnx"
            runtime.write(path, arch.graph())
            session = runtime.load(path)
            session.run()
            layers = session.layers()
            count = Counter(layer.operation for layer in layers)
            moves = ", ".join(f"{count[kind]} {kind}" for kind in MOVES)
            unlike = [f"{d.kind} {d.executed}, ours {d.ours}" for d in differences(arch, layers)]
            print(f"{name}: {len(layers)} layers, {moves}; {'; '.join(unlike) or 'as ours'}")


if __name__ == "__main__":
    main()
