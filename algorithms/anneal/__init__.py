"""Simulated annealing, as hyperopt does it."""

from algorithms.anneal.algorithm import Anneal

__all__ = ["Anneal"]
