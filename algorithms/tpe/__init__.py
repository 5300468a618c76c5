"""Tree-structured Parzen estimators: one parameter at a time, or all of them jointly."""

from algorithms.tpe.algorithm import MultivariateTpe, Tpe

__all__ = ["MultivariateTpe", "Tpe"]
