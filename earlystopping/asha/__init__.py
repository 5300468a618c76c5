"""Asynchronous successive halving, as a stopping rule."""

from suggestion.earlystopping.asha.rule import Asha

__all__ = ["Asha"]
