"""JSON in settings, read so that everything that is wrong with it can be named."""

from __future__ import annotations

import json
from typing import Any

from suggestion.problem.errors import quote


class Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object with its names in order, also those that come twice."""

    __slots__ = ()


def parse(text: str, longest: int, kind: str) -> Any:
    """Return the value that `text` writes; objects are `Pairs`.

    Numbers may be nan or infinite, as Python writes them.

    Args:
        longest: The most characters that it may have.
        kind: What it must be, for messages: ``a JSON object``.

    Raises:
        ValueError: With the rule that it breaks, as a clause: ``must be a JSON object, got ...``.
    """
    if len(text) > longest:
        raise ValueError(f"must have at most {longest} characters, got {len(text)}")
    cause: Exception
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except json.JSONDecodeError as error:
        reason, cause = str(error), error
    except ValueError as error:
        reason, cause = "a number has too many digits", error
    except RecursionError as error:
        reason, cause = "it is nested too deeply", error
    raise ValueError(f"must be {kind}: {reason}, got {quote(text)}") from cause


def shown(given: Any) -> str:
    """Return how a message shows a value that `parse` has returned, or a part of one."""
    if isinstance(given, Pairs):
        return "an object" if given else "{}"
    if isinstance(given, list):
        return f"a list of {len(given)}"
    return quote(given if isinstance(given, str) else json.dumps(given))
