"""Do networks of nas run in an old onnxruntime? Runs them in one of npm's and compares the outputs.

    npm install --prefix FOLDER onnxruntime-node@1.11.0
    python scripts/old_onnxruntime.py FOLDER

Needs node. Prints a line a network: the largest difference from torch relative to the largest
output, at full optimisation, and what the old runtime says of the same network in opset 17.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import nas
from nas.formats.onnx_model import to_onnx
from nas.testing.numerics import images, randomise, run_torch

NETWORKS = (
    "mobilenet_v2_100",
    "mobilenet_v3_small_100",
    "shufflenet_v1_x0_5",
    "shufflenet_v2_x0_5",
    "ghostnet_050",
    "squeezenet1_1",
    "resnet18",
    "efficientnet_b0",
)
RESOLUTION = 96
NODE = """
const {InferenceSession, Tensor} = require(process.argv[1] + "/node_modules/onnxruntime-node");
const fs = require("fs");
(async () => {
  const folder = process.argv[2], said = {};
  const image = new Float32Array(fs.readFileSync(folder + "/image").buffer);
  const size = Math.sqrt(image.length / 3);
  for (const file of fs.readdirSync(folder).filter(name => name.endsWith(".onnx"))) {
    try {
      const session = await InferenceSession.create(folder + "/" + file);
      const made = await session.run({image: new Tensor("float32", image, [1, 3, size, size])});
      said[file] = Array.from(made.logits.data);
    } catch (error) { said[file] = error.message.split("\\n")[0]; }
  }
  console.log(JSON.stringify(said));
})();
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", type=Path, metavar="FOLDER")
    package = parser.parse_args().package.resolve()
    x = images(1, 3, RESOLUTION, RESOLUTION)
    expected = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "image").write_bytes(x.tobytes())
        for network in NETWORKS:
            arch = nas.reference(network, classes=10, resolution=RESOLUTION)
            module = randomise(nas.build(arch, seed=0))
            for opset in (13, 17):
                model = to_onnx(arch, module, opset=opset)
                (folder / f"{network}.{opset}.onnx").write_bytes(model.SerializeToString())
            expected[network] = run_torch(module.double(), x.astype(np.float64))
        words = ["node", "-e", NODE, str(package), name]
        said = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    for network, logits in expected.items():
        found, newer = (said[f"{network}.{opset}.onnx"] for opset in (13, 17))
        if isinstance(found, str):
            print(f"{network}: opset 13 fails: {found}")
            continue
        difference = np.abs(np.array(found) - logits[0]).max() / np.abs(logits).max()
        shown = f"refused: {newer[-72:]}" if isinstance(newer, str) else "runs"
        print(f"{network}: opset 13 differs from torch by {difference:.1e}; opset 17 {shown}")


if __name__ == "__main__":
    main()
