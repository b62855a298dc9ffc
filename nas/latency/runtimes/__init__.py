"""Runtimes that networks are timed with and exported files are checked with, one a file.

Each is an optional package. onnxruntime, which is always there, is timed by `nas.latency.runner`,
as that must work on machines without this program.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from nas.formats.folding import State
from nas.graph import Graph
from nas.latency.lowering.rows import NEUTRAL, Lowering
from nas.support.errors import NasError, one_of
from nas.support.resources import install_extra
from nas.support.silence import silent

Array = npt.NDArray[np.float32]
NAMES = ("litert", "mnn", "ncnn", "openvino")


class Layer(NamedTuple):
    """What a runtime executes: its own name for the operation, the names of the nodes of the model
    that it computes, and the time of one run in ms where it was measured."""

    operation: str
    nodes: tuple[str, ...]
    ms: float | None


class Session(ABC):
    """A model that is ready to run, one image at a time."""

    @abstractmethod
    def run(self) -> None:
        """Runs it once on an image that does not change."""

    @abstractmethod
    def outputs(self, image: Array) -> Array:
        """The logits (1, N) of an image (1, C, H, W)."""

    def layers(self) -> list[Layer]:
        """What is executed in a run, in order; empty where the runtime does not tell."""
        return []


class Runtime(ABC):
    """A runtime: how it gets a model, and what is known of how it executes one.

    `package` is what pip installs, `suffix` the ending of its model's file.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    suffix: ClassVar[str]
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    lowering: ClassVar[Lowering] = NEUTRAL

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.name} {version(self.package).split('-')[0]}"

    @abstractmethod
    def write(
        self, path: Path, graph: Graph, precision: str = "fp32", state: State | None = None
    ) -> None:
        """Writes a model of the graph with the weights of `state`, or random ones; what int8 needs
        beside them is made up, so int8 is for timing alone."""

    def export(self, path: Path, graph: Graph, state: State) -> None:
        """Writes the model as its users keep it, which `load` reads too."""
        self.write(path, graph, "fp32", state)

    @abstractmethod
    def load(self, path: Path, threads: int = 1) -> Session:
        """A session of a model that `write` has written."""


def find_runtime(name: str) -> Runtime:
    """The runtime of that name. Errors: `NasError` for an unknown name, or one that is not
    installed."""
    if name not in NAMES:
        raise one_of("runtime", name, ["onnxruntime", *NAMES])
    try:
        with silent():
            module = import_module(f"nas.latency.runtimes.{name}")
    except ImportError as error:
        if (error.name or "").startswith("nas"):
            raise
        raise NasError(
            f"runtime {name} is not installed, or not for {platform.machine()}: "
            + install_extra(name)
        ) from None
    runtime: Runtime = module.RUNTIME
    return runtime


def still_image(shape: Sequence[int]) -> Array:
    """Noise of that shape, the same each time."""
    return np.random.RandomState(0).standard_normal(tuple(shape)).astype(np.float32)
