"""What was probably meant by a name that is unknown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

_SHORTEST: Final = 3  # letters that a part of a name must have to stand for the whole
_LONGEST: Final = 100  # letters that are compared


def likely_meant(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `name` is the beginning of, or is most like; None if of none.

    Capitals do not count: a wrong one is the commonest slip.

    >>> likely_meant("bayes", ["cmaes", "bayesianoptimization"])
    'bayesianoptimization'
    >>> likely_meant("rndom", ["random", "grid"])
    'random'
    """
    lowered = {one.lower(): one for one in reversed(tuple(known))}
    text = name[:_LONGEST].lower()
    if len(text) >= _SHORTEST:
        whole = sorted((one for one in lowered if one.startswith(text)), key=len)
        if whole:
            return lowered[whole[0]]
    import difflib  # noqa: PLC0415  (for messages alone)

    close = difflib.get_close_matches(text, lowered, n=1)
    if close:
        return lowered[close[0]]
    # Short for it: "bayesopt".
    alike = max(lowered, key=lambda one: _shared(one, text), default="")
    shared = _shared(alike, text)
    return lowered[alike] if 2 * shared > len(text) and shared > _SHORTEST else None


def _shared(one: str, other: str) -> int:
    """The number of letters with which both begin."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)
