"""Deprecated; `suggestion.engine.algorithm` has the contents."""

from suggestion import _moved
from suggestion.engine.algorithm import *  # noqa: F403
from suggestion.engine.algorithm import TransformsSpace as Reinterprets  # noqa: F401

_moved.warn(__name__, "suggestion.engine.algorithm")
