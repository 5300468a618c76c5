"""CMA-ES: a normal distribution that learns where good points lie, and in which direction."""

from algorithms.cmaes.algorithm import Cmaes

__all__ = ["Cmaes"]
