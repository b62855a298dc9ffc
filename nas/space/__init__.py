"""Search spaces: a YAML file of choices, its networks, and its smallest and largest ones."""

from nas.space.choices import Params
from nas.space.space import SearchSpace

__all__ = ["Params", "SearchSpace"]
