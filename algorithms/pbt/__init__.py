"""Population based training."""

from algorithms.pbt.algorithm import Pbt

__all__ = ["Pbt"]
