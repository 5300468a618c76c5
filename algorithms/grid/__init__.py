"""Grid search: every point of a finite space once."""

from algorithms.grid.algorithm import Grid

__all__ = ["Grid"]
