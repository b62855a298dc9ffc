"""What proposes candidates; every module of `kinds` registers its own samplers."""

from nas.study.samplers import kinds
from nas.study.samplers.registry import SAMPLERS, Sampler, sampler
from nas.support.registry import load_modules

__all__ = ["SAMPLERS", "Sampler", "sampler"]

load_modules(kinds.__name__, kinds.__path__)
