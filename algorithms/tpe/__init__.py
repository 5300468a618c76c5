"""Tree-structured Parzen estimators: each parameter by itself, or all of them jointly."""

from suggestion.algorithms.tpe.algorithm import MultivariateTpe, Tpe

__all__ = ["MultivariateTpe", "Tpe"]
