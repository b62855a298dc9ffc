"""TFLite files compute, in LiteRT and TFLite Micro, what torch and our int8 ONNX compute."""

import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")
