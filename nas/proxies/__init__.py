"""Accuracy proxies, one a file; every module of this package registers its own."""

from importlib import import_module
from pkgutil import iter_modules

from nas.proxies.combine import Combiner
from nas.proxies.registry import PROXIES, Probe, Proxy, UndefinedScore, evaluate, proxy

__all__ = ["PROXIES", "Combiner", "Probe", "Proxy", "UndefinedScore", "evaluate", "proxy"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
