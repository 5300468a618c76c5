"""Population based training."""

from suggestion.algorithms.pbt.algorithm import Pbt

__all__ = ["Pbt"]
