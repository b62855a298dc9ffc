"""Latency: targets, their tables and predictors, and measuring a new one."""

from nas.latency.calibration import calibrate
from nas.latency.target import Prediction, Target, target_names

__all__ = ["Prediction", "Target", "calibrate", "target_names"]
