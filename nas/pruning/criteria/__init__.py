"""Criteria: how important each channel of a trained network is. Each module registers its own."""

from nas.pruning.criteria.registry import CRITERIA as CRITERIA
from nas.pruning.criteria.registry import Criterion as Criterion
from nas.pruning.criteria.registry import Scores as Scores
from nas.pruning.criteria.registry import criterion as criterion
from nas.pruning.criteria.registry import importances as importances
from nas.support.registry import load_modules

load_modules(__name__, __path__)
