"""The learned predictor: the device model times a correction per kernel.

    kernel ms = device model(kernel) * exp(weights of its operation . features(kernel))

It stays positive and additive, and it is two small tables of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nas.latency.device_model import Coefficients, kernel_ms
from nas.latency.kernels import Kernel
from nas.latency.metadata import Metadata


class Predictor:
    """Predicts kernels. `coefficients`: of the device model; `corrections`: weights by operation,
    none for an operation that is not corrected."""

    def __init__(
        self,
        coefficients: Coefficients,
        corrections: Mapping[str, Sequence[float]],
        value_bytes: int,
    ) -> None:
        self.coefficients = coefficients
        self.corrections = corrections
        self.value_bytes = value_bytes

    @property
    def constant_ms(self) -> float:
        """The latency of an empty network."""
        return self.coefficients["constant"]

    def kernel_ms(self, kernel: Kernel) -> float:
        """The latency of one kernel in ms."""
        return kernel_ms(kernel, self.coefficients, self.value_bytes)


def table_predictor(metadata: Metadata, table: Path) -> Predictor:
    """x"""
    return Predictor(metadata.coefficients, metadata.corrections, metadata.value_bytes)
