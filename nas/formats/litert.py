"""Runs TFLite files by LiteRT, where its package is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.formats.scales import Scale
from nas.support.errors import NasError, one_line
from nas.support.silence import silent

Array = npt.NDArray[np.float32]


def installed() -> bool:
    """Whether LiteRT is there to run a model."""
    return importlib.util.find_spec("ai_edge_litert") is not None


class LiteRT:
    """A TFLite model that takes and gives float32, whatever the file's own types are.

    `reference` runs LiteRT's plain kernels, which compute int8 as a microcontroller does, in place
    of XNNPACK's. Errors: `NasError` for a model that LiteRT refuses.
    """

    def __init__(self, model: bytes, *, reference: bool = False, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
        try:
            with silent():
                self._interpreter = Interpreter(
                    model_content=model, num_threads=threads, experimental_op_resolver_type=kind
                )
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise NasError(f"LiteRT refuses the model: {one_line(error):.200}") from None
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def __call__(self, images: Array) -> Array:
        """The logits (N, classes) of images (N, C, H, W)."""
        rows = [self._one(image) for image in np.ascontiguousarray(images.transpose(0, 2, 3, 1))]
        return np.concatenate(rows)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The (C, H, W) of an image."""
        _, h, w, c = map(int, self._input["shape"])
        return c, h, w

    def run(self) -> None:
        """Runs it once more on the last image."""
        self._interpreter.invoke()

    def _one(self, image: Array) -> Array:
        self._interpreter.set_tensor(self._input["index"], _quantised(image[None], self._input))
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._output["index"])
        scale, zero = self._output["quantization"]
        return np.asarray((logits.astype(np.float32) - zero) * scale if scale else logits)


def _quantised(values: Array, details: dict[str, Any]) -> npt.NDArray[Any]:
    scale, zero = details["quantization"]
    if not scale:
        return values
    return Scale(scale, zero).quantised(values)
