"""Deprecated; the modules that the warning names have the contents."""

from suggestion import _moved
from suggestion.numerics.randomness import *  # noqa: F403
from suggestion.numerics.sampling import *  # noqa: F403
from suggestion.numerics.sobol import *  # noqa: F403
from suggestion.numerics.untried import *  # noqa: F403

_moved.warn(
    __name__,
    "suggestion.numerics.sampling",
    "suggestion.numerics.randomness",
    "suggestion.numerics.sobol",
    "suggestion.numerics.untried",
)
