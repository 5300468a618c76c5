"""Tree-structured Parzen estimators: each parameter by itself, or all of them jointly."""

from algorithms.tpe.algorithm import MultivariateTpe, Tpe

__all__ = ["MultivariateTpe", "Tpe"]
