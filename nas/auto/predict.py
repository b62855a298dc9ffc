"""`predict.py`: the few lines that run a result anywhere, tried on images of its data."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nas.data import DataSet
from nas.data.dataset import Images
from nas.resolution import sides
from nas.support.errors import NasError, one_line
from nas.support.files import write_whole
from nas.training import Trained
from nas.training.accuracy import logits
from nas.training.batches import Normalise, Pixels

SCRIPT, EXAMPLES = "predict.py", "examples"
MOST_EXAMPLES, SECONDS = 20, 300
AGREEING = 0.9  # of the examples; a pixel is rounded otherwise here and there

_TEXT = '''"""Classifies images: python predict.py IMAGE ...; needs onnxruntime, numpy, pillow."""

import json, pathlib, sys
import numpy as np, onnxruntime
from PIL import Image, ImageOps

if not sys.argv[1:] or {{"-h", "--help"}} & set(sys.argv):
    print("usage: python predict.py IMAGE ...", file=sys.stderr)
    sys.exit(2)
session = onnxruntime.InferenceSession(str(pathlib.Path(__file__).with_name("model.onnx")))
about = session.get_modelmeta().custom_metadata_map
classes, mean, deviation = (json.loads(about[k]) for k in ("classes", "mean", "deviation"))
code = 0
for name in sys.argv[1:]:
    try:
        image = ImageOps.exif_transpose(Image.open(name)){deep}
        if image.has_transparency_data:  # on white
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("{mode}")
    except Exception as error:  # each of Pillow's decoders has its own
        print(f"{{name}}: {{error}}", file=sys.stderr)
        code = 1
        continue
    image = ImageOps.fit(image, ({stored}), Image.Resampling.BILINEAR)  # width, height
    image = image.resize(({width}, {height}), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32).reshape({height}, {width}, -1) / 255
    pixels = (pixels - mean) / deviation
    (logits,) = session.run(None, {{"image": pixels.transpose(2, 0, 1)[None].astype(np.float32)}})
    shares = np.exp(logits[0] - logits[0].max())
    best = int(shares.argmax())
    print(f"{{name}}: {{classes[best]}} ({{shares[best] / shares.sum():.0%}})")
sys.exit(code)
'''
_DEEP = """
        if image.mode[0] in "IF":  # of more than eight bits
            deep = (np.asarray(image, np.float64) - {low:.9g}) * {scale:.9g}
            image = Image.fromarray(np.rint(deep.clip(0, 255)).astype(np.uint8))"""


def write_predict(folder: Path, trained: Trained, data: DataSet) -> float:
    """Writes `predict.py` and some examples, runs it on them and returns the share of them that it
    classifies as torch does. Errors: `NasError` where it fails, or agrees on too few."""
    deep = ""
    if data.values is not None:
        low, high = data.values
        deep = _DEEP.format(low=low, scale=255 / max(high - low, 1e-9))
    height, width = sides(trained.arch.resolution)
    text = _TEXT.format(
        mode="L" if data.channels == 1 else "RGB",
        stored="{1}, {0}".format(*sides(data.resolution)),
        height=height,
        width=width,
        deep=deep,
    )
    write_whole(folder / SCRIPT, text)
    images = _examples(data.test or data.validation)
    names = []
    (folder / EXAMPLES).mkdir(exist_ok=True)
    for i, pixels in enumerate(images.pixels):
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        names.append(f"{EXAMPLES}/{i + 1}.png")
        image.save(folder / names[-1])
    lines = _run(folder, names)
    cpu = torch.device("cpu")
    outputs = logits(trained.module, Pixels(images, trained.arch.resolution, cpu),
                     Normalise(data, cpu))  # fmt: skip
    expected = [data.classes[int(i)] for i in outputs.argmax(1)]
    same = [
        line.startswith(f"{name}: {one} (")
        for line, name, one in zip(lines, names, expected, strict=True)
    ]
    share = float(np.mean(same))
    if share < AGREEING:
        raise NasError(f"{folder / SCRIPT} classifies {1 - share:.0%} of its examples otherwise")
    return share


def _examples(images: Images) -> Images:
    """Some images, of every class in turn."""
    turn = np.zeros(len(images.labels), int)
    for label in np.unique(images.labels):
        members = np.flatnonzero(images.labels == label)
        turn[members] = np.arange(len(members))
    return images.take(np.lexsort((images.labels, turn))[:MOST_EXAMPLES])


def _run(folder: Path, names: list[str]) -> list[str]:
    """What the script says of the examples. Errors: `NasError` where it fails."""
    command = [sys.executable, SCRIPT, *names]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NasError(f"{folder / SCRIPT} cannot be run: {one_line(error)}") from None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(names):
        said = done.stderr.strip().splitlines()[-1:] or ["it said too little"]
        raise NasError(f"{folder / SCRIPT} cannot be run: {said[0]}")
    return lines
