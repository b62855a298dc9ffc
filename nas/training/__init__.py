"""Training: a recipe, a run that survives being killed, and the trained network."""

from typing import TYPE_CHECKING, Any

from nas.training.recipe import Recipe

if TYPE_CHECKING:
    from nas.training.accuracy import evaluate as evaluate
    from nas.training.progress import TrainingProgress as TrainingProgress
    from nas.training.run import train as train
    from nas.training.trained import Trained as Trained

__all__ = ["Recipe", "Trained", "TrainingProgress", "evaluate", "train"]


def __getattr__(name: str) -> Any:
    """Imports a name on first use: all but the recipe need torch."""
    from importlib import import_module

    homes = {"Trained": "trained", "TrainingProgress": "progress", "evaluate": "accuracy"}
    home = homes.get(name, "run")
    if name not in __all__:
        raise AttributeError(f"module 'nas.training' has no attribute {name!r}")
    return getattr(import_module(f"nas.training.{home}"), name)
