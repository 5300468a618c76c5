"""Deprecated; `suggestion.problem.space` has the contents."""

from suggestion import _moved
from suggestion.problem.space import *  # noqa: F403

_moved.warn(__name__, "suggestion.problem.space")
