"""Quasi-random search: the scrambled Sobol sequence."""

from algorithms.sobol.algorithm import Sobol

__all__ = ["Sobol"]
