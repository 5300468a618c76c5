"""Conditions on an object, in the part of GJSON's path syntax that success conditions use.

``status.conditions.#(type=="Complete")#|#(status=="True")#``: keys and indexes between dots, ``#``
for the length of a list or all of its entries, ``#(query)`` for the first entry that a query fits
and ``#(query)#`` for all, ``[@this]`` for a list of what has been reached, and ``|``. A cluster's
controller evaluates them with a library in Go; Python's libraries have a syntax of their own.
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from suggestion.problem.errors import quote


class BadPath(ValueError):
    """A path that cannot be evaluated; the text says why."""


class _Missing:
    """What a path leads to that is not there."""


_MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class _Key:
    """One key or index."""

    name: str

    def of(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return value.get(self.name, _MISSING)
        if isinstance(value, list) and self.name.isdigit() and int(self.name) < len(value):
            return value[int(self.name)]
        return _MISSING


@dataclass(frozen=True, slots=True)
class _Listed:
    """A list of the value alone, of which a query can ask something."""

    def of(self, value: Any) -> Any:
        return [value]


@dataclass(frozen=True, slots=True)
class _Each:
    """All entries of a list, each followed by the rest of the path; without a rest their number."""

    rest: tuple[Any, ...]

    def of(self, value: Any) -> Any:
        if not isinstance(value, list):
            return _MISSING
        if not self.rest:
            return len(value)
        return _all(value, self.rest)


@dataclass(frozen=True, slots=True)
class _Query:
    """The entries of a list that fit.

    Attributes:
        path: From an entry to what is compared; empty: the entry itself.
        compare: None: something must be there.
        every: All that fit; else the first.
        rest: What follows, of each entry.
    """

    path: tuple[Any, ...]
    compare: Callable[[Any], bool] | None
    every: bool
    rest: tuple[Any, ...]

    def of(self, value: Any) -> Any:
        if not isinstance(value, list):
            return _MISSING
        fitting = (entry for entry in value if self._fits(entry))
        if not self.every:
            first = next(fitting, _MISSING)
            return first if first is _MISSING else _follow(first, self.rest)
        found = list(fitting)
        return _all(found, self.rest) if self.rest else found

    def _fits(self, entry: Any) -> bool:
        found = _follow(entry, self.path)
        if found is _MISSING:
            return False
        return self.compare is None or self.compare(found)


def _all(entries: Sequence[Any], rest: tuple[Any, ...]) -> list[Any]:
    followed = (_follow(entry, rest) for entry in entries)
    return [found for found in followed if found is not _MISSING]


def _follow(value: Any, steps: Sequence[Any]) -> Any:
    for step in steps:
        value = step.of(value)
        if value is _MISSING:
            break
    return value


def holds(path: str, document: Any) -> Mapping[str, Any] | None:
    """Return what a condition finds in an object, as Katib reads conditions; None if it is false.

    A condition holds if it leads to an object, or to a list that is not empty. The object, or the
    list's first entry, can have a ``reason`` and a ``message``.

    Raises:
        BadPath: If the path cannot be evaluated.
    """
    found = document
    for part in parse(path):
        found = _follow(found, part)
    if isinstance(found, list) and found:
        found = found[0]
        return found if isinstance(found, Mapping) else {}
    return found if isinstance(found, Mapping) else None


@lru_cache(64)
def parse(path: str) -> tuple[tuple[Any, ...], ...]:
    """Return the parts of a path between its pipes.

    Raises:
        BadPath: If the path cannot be evaluated.
    """
    return tuple(_part(text, path) for text in _split(path, "|", path))


def _split(text: str, at: str, path: str) -> list[str]:
    """Split at `at` outside parentheses and quotation marks; a backslash escapes."""
    parts, begin, depth, quoted, index = [], 0, 0, False, 0
    while index < len(text):
        c = text[index]
        if c == "\\":
            index += 1
        elif c == '"':
            quoted = not quoted
        elif not quoted:
            depth += (c in "([") - (c in ")]")
            if c == at and depth == 0:
                parts.append(text[begin:index])
                begin = index + 1
        index += 1
    if quoted or depth:
        raise BadPath(f"must close its quotation marks and parentheses, got {quote(path)}")
    return [*parts, text[begin:]]


def _part(text: str, path: str) -> tuple[Any, ...]:
    words = _split(text, ".", path)
    if not all(words):
        raise BadPath(f"must have a name between its dots, got {quote(path)}")
    return _steps(words, path)


def _steps(words: Sequence[str], path: str) -> tuple[Any, ...]:
    steps: list[Any] = []
    for index, word in enumerate(words):
        if word == "[@this]":
            steps.append(_Listed())
            continue
        if word[0] in "@!{[" or (word[0] != "#" and re.search(r"(?<!\\)[*?]", word)):
            raise BadPath(f"can use keys, indexes, # and queries here, got {quote(word)}")
        if word == "#":
            return (*steps, _Each(_steps(words[index + 1 :], path)))
        if word.startswith("#("):
            every = word.endswith(")#")
            query = word[2 : -2 if every else -1]
            left, compare = _query(query, path)
            rest = _steps(words[index + 1 :], path)
            return (*steps, _Query(left, compare, every, rest))
        steps.append(_Key(re.sub(r"\\(.)", r"\1", word)))
    return tuple(steps)


_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_QUERY: Final = re.compile(
    r"(?P<left>(?:\\.|#\(.*\)|[^=!<>%])*?)\s*(?P<op>==?|!=|<=?|>=?|!%|%)\s*(?P<right>.*)"
)


def _query(text: str, path: str) -> tuple[tuple[Any, ...], Callable[[Any], bool] | None]:
    match = _QUERY.fullmatch(text)
    if match is None:
        return _part(text.strip(), path), None
    left = match["left"].strip()
    steps = _part(left, path) if left else ()
    right = match["right"].strip()
    try:
        wanted = json.loads(right)
    except ValueError as error:
        raise BadPath(f"must compare with a JSON value, got {quote(right)}") from error
    if isinstance(wanted, list | dict):
        raise BadPath(f"must compare with a text, number or boolean, got {quote(right)}")
    return steps, _comparison(match["op"], wanted)


def _comparison(sign: str, wanted: Any) -> Callable[[Any], bool]:
    """Return whether a value fits; values of different types only ever differ."""

    def same(found: Any) -> bool:
        return _kind(found) == _kind(wanted)

    if sign in {"=", "=="}:
        return lambda found: same(found) and found == wanted
    if sign == "!=":
        return lambda found: not same(found) or found != wanted
    if sign in {"%", "!%"}:
        like = sign == "%"
        return lambda found: (
            isinstance(found, str) and (fnmatch.fnmatchcase(found, str(wanted)) is like)
        )
    compare = _ORDER[sign]
    return lambda found: same(found) and found is not None and compare(found, wanted)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
