"""Bayesian optimisation with Gaussian processes, on numpy alone."""

from suggestion.algorithms.bayesopt.algorithm import BayesianOptimization

__all__ = ["BayesianOptimization"]
