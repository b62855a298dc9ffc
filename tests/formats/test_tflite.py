"""TFLite files compute, in LiteRT and TFLite Micro, what torch and our int8 ONNX compute."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import nas
from nas.blocks import KINDS, block_graph
from nas.formats.folding import folded
from nas.formats.onnx_model import graph_to_onnx
from nas.formats.quantise import quantised
from nas.formats.scales import Ranges, scales, tensor_names
from nas.graph import ACTIVATIONS, Builder, Graph
from nas.support.errors import ShapeError
from nas.testing.blocks import sample_rows
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.torch_module import GraphModule, build

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from nas.formats.tflite import to_tflite
from nas.formats.tflite.litert import LiteRT
