"""Deprecated; `suggestion.problem.study` has the contents."""

from suggestion import _moved
from suggestion.problem.study import *  # noqa: F403

_moved.warn(__name__, "suggestion.problem.study")
