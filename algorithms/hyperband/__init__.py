"""Hyperband, BOHB and asynchronous successive halving."""

from suggestion.algorithms.hyperband.algorithm import Hyperband
from suggestion.algorithms.hyperband.asha import Asha

__all__ = ["Asha", "Hyperband"]
