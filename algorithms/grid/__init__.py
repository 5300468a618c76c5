"""Grid search: every point of a finite space once."""

from suggestion.algorithms.grid.algorithm import Grid

__all__ = ["Grid"]
