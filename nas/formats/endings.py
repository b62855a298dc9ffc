"""The formats that networks are exported in, and how their files end. Light to import."""

from typing import Literal

FileFormat = Literal["onnx", "tflite"]
ENDINGS: dict[FileFormat, str] = {"onnx": ".onnx", "tflite": ".tflite"}
# Of single runtimes, and of torch.export.
OTHER_ENDINGS = {"mnn": ".mnn", "ncnn": ".param", "openvino": ".xml", "torch": ".pt2"}
