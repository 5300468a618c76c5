"""NSGA-II: a genetic algorithm for several objectives."""

from suggestion.algorithms.nsga2.algorithm import Nsga2

__all__ = ["Nsga2"]
