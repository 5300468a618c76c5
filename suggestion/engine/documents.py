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
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except (ValueError, RecursionError) as error:
        where = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"must be {kind}{where}, got {quote(text)}") from error
