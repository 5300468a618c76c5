"""A search algorithm of Ray Tune whose points are those of our algorithms (extra ``ray``)."""

from suggestion.integrations.ray.searcher import SuggestionSearcher
from suggestion.integrations.ray.spaces import read_config

__all__ = ["SuggestionSearcher", "read_config"]
