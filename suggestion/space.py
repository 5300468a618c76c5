"""Deprecated; the modules that the warning names have the contents."""

from suggestion import _moved
from suggestion.problem.lists import *  # noqa: F403
from suggestion.problem.numbers import *  # noqa: F403
from suggestion.problem.numeric import *  # noqa: F403
from suggestion.problem.parameters import *  # noqa: F403
from suggestion.problem.priors import *  # noqa: F403
from suggestion.problem.space import *  # noqa: F403

_moved.warn(
    __name__,
    "suggestion.problem.space",
    "suggestion.problem.numeric",
    "suggestion.problem.lists",
    "suggestion.problem.parameters",
    "suggestion.problem.priors",
    "suggestion.problem.numbers",
)
