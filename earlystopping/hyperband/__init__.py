"""Hyperband, as a stopping rule."""

from suggestion.earlystopping.hyperband.rule import Hyperband

__all__ = ["Hyperband"]
