"""Deprecated; `suggestion.numerics.sampling` has the contents."""

from suggestion import _moved
from suggestion.numerics.sampling import *  # noqa: F403

_moved.warn(__name__, "suggestion.numerics.sampling")
