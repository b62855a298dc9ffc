"""The formats that networks are exported in, and how their files end. Light to import."""

from typing import Literal, NamedTuple

FileFormat = Literal["onnx", "tflite"]
ENDINGS: dict[FileFormat, str] = {"onnx": ".onnx", "tflite": ".tflite"}
# Of single runtimes, and of torch.export.
OTHER_ENDINGS = {"mnn": ".mnn", "ncnn": ".param", "openvino": ".xml", "torch": ".pt2"}
# Of files whose weights are a `.bin` beside them. A default name of ncnn says so, as pnnx's does:
# the two would have one `.bin`.
BESIDE_BIN = (".param", ".xml")
DEFAULT_ENDINGS = {**OTHER_ENDINGS, "ncnn": ".ncnn.param"}


class Form(NamedTuple):
    """How a network is written: in which format, as int8 or not, for a varying batch or not, and
    with which of ONNX's operator sets. `symmetric` is int8 with its zero at 0."""

    file_format: FileFormat
    int8: bool
    symmetric: bool
    dynamic_batch: bool
    opset: int

    def default_name(self, stem: str) -> str:
        """The name of a file that was given none: int8 does not take float's."""
        return f"{stem}{'_int8' if self.int8 else ''}{ENDINGS[self.file_format]}"
