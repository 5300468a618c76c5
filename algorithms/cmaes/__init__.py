"""CMA-ES: adapt a normal distribution to the good points."""

from suggestion.algorithms.cmaes.algorithm import Cmaes

__all__ = ["Cmaes"]
