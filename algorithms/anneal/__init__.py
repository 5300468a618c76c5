"""Simulated annealing as implemented by hyperopt."""

from suggestion.algorithms.anneal.algorithm import Anneal

__all__ = ["Anneal"]
