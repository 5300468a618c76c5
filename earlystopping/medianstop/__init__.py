"""The median stopping rule."""

from suggestion.earlystopping.medianstop.rule import MedianStop

__all__ = ["MedianStop"]
