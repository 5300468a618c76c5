"""Random search: independent draws from the prior."""

from suggestion.algorithms.random.algorithm import Random

__all__ = ["Random"]
