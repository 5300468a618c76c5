"""Deprecated; `suggestion.engine.settings` has the contents."""

from suggestion import _moved
from suggestion.engine.settings import *  # noqa: F403
from suggestion.engine.settings import RawSetting as Given  # noqa: F401

_moved.warn(__name__, "suggestion.engine.settings")
