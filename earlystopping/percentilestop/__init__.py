"""The percentile stopping rule."""

from suggestion.earlystopping.percentilestop.rule import PercentileStop

__all__ = ["PercentileStop"]
