"""Hyperband, BOHB and asynchronous successive halving."""

from algorithms.hyperband.algorithm import Hyperband
from algorithms.hyperband.asha import Asha

__all__ = ["Asha", "Hyperband"]
