"""Deprecated; `suggestion.problem.errors` has the contents."""

from suggestion import _moved
from suggestion.problem.errors import *  # noqa: F403

_moved.warn(__name__, "suggestion.problem.errors")
