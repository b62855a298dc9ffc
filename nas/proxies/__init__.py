"""Accuracy proxies: scores of untrained networks. Each module of `kinds` registers its own."""

from importlib import import_module
from pkgutil import iter_modules

from nas.proxies import kinds
from nas.proxies.combine import Combiner
from nas.proxies.probe import Probe
from nas.proxies.registry import PROXIES, Proxy, UndefinedScore, proxy
from nas.proxies.scoring import DEFAULT, Scores, evaluate, score, scores

__all__ = [
    "DEFAULT",
    "PROXIES",
    "Combiner",
    "Probe",
    "Proxy",
    "Scores",
    "UndefinedScore",
    "evaluate",
    "proxy",
    "score",
    "scores",
]

for _module in iter_modules(kinds.__path__):
    import_module(f"{kinds.__name__}.{_module.name}")
