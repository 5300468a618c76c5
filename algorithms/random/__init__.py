"""Random search: independent draws from the prior."""

from algorithms.random.algorithm import Random

__all__ = ["Random"]
