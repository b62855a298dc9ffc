"""Accuracy proxies: scores of untrained networks. Each module of `kinds` registers its own."""

from nas.proxies import kinds
from nas.proxies.combine import Combiner
from nas.proxies.probe import Probe
from nas.proxies.registry import PROXIES, Proxy, UndefinedScore, proxy
from nas.proxies.scoring import DEFAULT, Scores, evaluate, score, scores
from nas.support.registry import load_modules

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

load_modules(kinds.__name__, kinds.__path__)
