"""What somebody likely meant who wrote a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from suggestion.problem.errors import quote

_MOST_COMPARED: Final = 200  # names that an unknown one is compared with


def meant(rule: str, name: str, known: Iterable[str], introduction: str) -> str:
    """Return `rule` with what was likely meant, else with what is `known`."""
    index = _index(tuple(known))
    text = name[:100].lower()
    close = difflib.get_close_matches(text, index.candidates(text), n=1, cutoff=0.6)
    # num-layers without back-quotes is a difference.
    likely = [*index.by_part.get(name, ())[:1], *(index.lowered[each] for each in close)]
    meant = f"; did you mean {quote(likely[0])}?" if likely else ";"
    return f"{rule}{meant} {introduction} {index.listed or 'nothing'}"


class _Index(NamedTuple):
    """Names, prepared for many questions about them.

    Attributes:
        lowered: By what they are in small letters.
        by_part: Names in back-quotes, by each of their parts between hyphens.
        listed: The first of them, for messages.
    """

    lowered: Mapping[str, str]
    by_part: Mapping[str, Sequence[str]]
    listed: str

    def candidates(self, text: str) -> Sequence[str]:
        """Return the names that `text` is compared with: of many, some that begin as it does."""
        if len(self.lowered) <= _MOST_COMPARED:
            return [*self.lowered]
        alike = (each for each in reversed([*self.lowered]) if each.startswith(text[:1]))
        return [*islice(alike, _MOST_COMPARED)]


@lru_cache(maxsize=4)
def _index(known: tuple[str, ...]) -> _Index:
    by_part: dict[str, list[str]] = {}
    for each in known:
        for part in each[1:-1].split("-") if each.startswith("`") else ():
            by_part.setdefault(part, []).append(each)
    listed = ", ".join(map(quote, known[:20])) + (", ..." if len(known) > 20 else "")
    return _Index({each.lower(): each for each in reversed(known)}, by_part, listed)
