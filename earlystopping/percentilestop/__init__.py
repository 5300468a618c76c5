"""The percentile stopping rule."""

from earlystopping.percentilestop.rule import PercentileStop

__all__ = ["PercentileStop"]
