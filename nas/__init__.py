"""nas: hardware-aware search for small convolutional networks. The public API, lazily loaded."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.accuracy import AccuracyModel as AccuracyModel
    from nas.architecture import Architecture as Architecture
    from nas.costs import Cost as Cost
    from nas.costs import cost as cost
    from nas.formats.onnx_model import to_onnx as to_onnx
    from nas.formats.weights import create_model as create_model
    from nas.latency import Target as Target
    from nas.latency import calibrate as calibrate
    from nas.references import reference as reference
    from nas.references.fbnet import fbnet as fbnet
    from nas.references.nasbench201 import nasbench201 as nasbench201
    from nas.space import SearchSpace as SearchSpace
    from nas.study import Study as Study
    from nas.study import search as search
    from nas.support.errors import NasError as NasError
    from nas.torch_module import build as build

_HOME = {
    "AccuracyModel": "accuracy",
    "Architecture": "architecture",
    "Cost": "costs",
    "NasError": "support.errors",
    "SearchSpace": "space",
    "Study": "study",
    "Target": "latency",
    "build": "torch_module",
    "calibrate": "latency",
    "cost": "costs",
    "create_model": "formats.weights",
    "fbnet": "references.fbnet",
    "nasbench201": "references.nasbench201",
    "reference": "references",
    "search": "study",
    "to_onnx": "formats.onnx_model",
    "__version__": "_version",
}
__all__ = list(_HOME)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    return getattr(import_module(f"nas.{_HOME[name]}"), name)
