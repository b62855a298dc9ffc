"""Which of some numbers are so far from the others that something is wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DEVIATIONS = 6.0  # robust ones: of the median of the distances from the median


def outlying(values: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.bool_]:
    """Whether each is farther from the median than `least` and than `DEVIATIONS`."""
    away = np.abs(values - np.median(values))
    far: Any = away > max(least, DEVIATIONS * 1.4826 * float(np.median(away)))
    return np.asarray(far, bool)
