"""Accuracy proxies: scores of untrained networks. Each module of `kinds` registers its own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.proxies.combine import Combiner as Combiner
    from nas.proxies.probe import Probe as Probe
    from nas.proxies.registry import PROXIES as PROXIES
    from nas.proxies.registry import Proxy as Proxy
    from nas.proxies.registry import UndefinedScore as UndefinedScore
    from nas.proxies.registry import proxy as proxy
    from nas.proxies.scoring import DEFAULT as DEFAULT
    from nas.proxies.scoring import Scores as Scores
    from nas.proxies.scoring import evaluate as evaluate
    from nas.proxies.scoring import score as score
    from nas.proxies.scoring import scores as scores

_HOME = {
    "DEFAULT": "scoring",
    "PROXIES": "registry",
    "Combiner": "combine",
    "Probe": "probe",
    "Proxy": "registry",
    "Scores": "scoring",
    "UndefinedScore": "registry",
    "evaluate": "scoring",
    "proxy": "registry",
    "score": "scoring",
    "scores": "scoring",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: all but the combiner need torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'nas.proxies' has no attribute {name!r}")
    if name != "Combiner":
        import_module("nas.proxies.scoring")  # which loads every kind
    return getattr(import_module(f"nas.proxies.{_HOME[name]}"), name)
