"""Deprecated; `suggestion.problem.deadline` has the contents."""

from suggestion import _moved
from suggestion.problem.deadline import *  # noqa: F403

_moved.warn(__name__, "suggestion.problem.deadline")
