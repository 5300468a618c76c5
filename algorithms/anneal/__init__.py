"""Simulated annealing as implemented by hyperopt."""

from algorithms.anneal.algorithm import Anneal

__all__ = ["Anneal"]
