"""An Optuna sampler whose points are those of our algorithms (extra ``optuna``)."""

from suggestion.integrations.optuna.sampler import SuggestionSampler

__all__ = ["SuggestionSampler"]
