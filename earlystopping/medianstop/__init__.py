"""The median stopping rule."""

from earlystopping.medianstop.rule import MedianStop

__all__ = ["MedianStop"]
