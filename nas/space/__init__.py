"""Search spaces: a YAML file of choices, the networks in it, and the smallest and largest one."""

from nas.space.options import Params
from nas.space.space import SearchSpace

__all__ = ["Params", "SearchSpace"]
