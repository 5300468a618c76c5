"""Quasi-random search: the scrambled Sobol sequence."""

from suggestion.algorithms.sobol.algorithm import Sobol

__all__ = ["Sobol"]
