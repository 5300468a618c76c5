"""Filters of metrics collectors: regular expressions with the meaning that they have on a cluster.

A cluster runs them in Go, whose syntax is RE2's: POSIX classes, ``\\pL`` and ``(?<name>…)`` are in
it, and the time is linear in the length of the line. Lookaround and backreferences are not; a
filter that needs them is run by the package `regex` within a time limit, and `Filter.refusal` tells
what a cluster says of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import re2
import regex

from suggestion.problem.errors import quote

#: A name, an equals sign and a number; what a collector on a cluster uses without a filter.
DEFAULT_FILTER: Final = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"

#: Seconds that a filter outside RE2 may search one line; what it has not found then is not there.
LIMIT_SECONDS: Final = 0.1
# Lines on which it may run out of time before it is not used any more.
_LIMIT_LINES: Final = 10
#: Letters and classes that a filter outside RE2 may have with its repetitions written out, as it is
#: compiled: of ((a{1000}){1000}){1000} no memory holds them.
LARGEST: Final = 100_000


class BadFilter(ValueError):
    """A text is no filter; the error's text is the rule that it breaks."""


class Found(NamedTuple):
    """One match of a filter in a line.

    Attributes:
        name: Group 1, without the blanks around it.
        value: Group 2, likewise.
        start: Where group 2 begins in the line; -1 if the group took no part in the match.
    """

    name: str
    value: str
    start: int


@dataclass(slots=True)
class Filter:
    """A compiled filter.

    Attributes:
        text: As it was written.
        refusal: Why a cluster refuses it; empty if it does not.
        expired: Lines on which it ran out of time; after ten of them it finds nothing more.
    """

    text: str
    refusal: str
    _pattern: Any
    expired: int = 0

    def find(self, line: str) -> Iterator[Found]:
        """Yield the matches in `line`, from left to right."""
        if not isinstance(self._pattern, regex.Pattern):
            yield from map(_found, self._pattern.finditer(line))
        elif self.expired < _LIMIT_LINES:
            try:
                yield from map(_found, self._pattern.finditer(line, timeout=LIMIT_SECONDS))
            except TimeoutError:
                self.expired += 1


def _found(match: Any) -> Found:
    return Found((match[1] or "").strip(), (match[2] or "").strip(), match.start(2))


def compile_filter(text: str) -> Filter:
    """Return the filter that `text` describes.

    Raises:
        BadFilter: If it is no regular expression, or has fewer than two groups.
    """
    pattern, refusal = _compiled(text)
    if pattern.groups < 2:
        raise BadFilter(
            f"needs two groups in parentheses, the metric's name and its value, got {quote(text)}"
        )
    return Filter(text, refusal, pattern)


def can_match(text: str, name: str) -> bool:
    """Return False if the filter `text` cannot match the metric `name`, whatever the line.

    True also if that cannot be decided.
    """
    group = _first_group(text)
    if group is None:
        return True
    try:
        pattern, _ = _compiled(group)
    except BadFilter:
        return True
    if isinstance(pattern, regex.Pattern):
        return True
    # Blanks around a name are not part of it.
    return any(pattern.fullmatch(padded) for padded in (name, f" {name}", f"{name} ", f" {name} "))


@lru_cache(maxsize=128)
def _compiled(text: str) -> tuple[Any, str]:
    """The pattern of `text`, and why a cluster refuses it."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options), _refused_by_go(text)
    except UnicodeEncodeError as error:
        raise BadFilter(f"must be text that UTF-8 can hold, got {quote(text)}") from error
    except re2.error as error:
        words = error.args[0]
        refusal = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    if _written_out(text) > LARGEST:
        rule = f"must have at most {LARGEST} parts with its repetitions written out"
        raise BadFilter(f"{rule}, got {quote(text)}")
    try:
        # ASCII, because \w and \d are that in RE2.
        return regex.compile(text, regex.ASCII), refusal
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        reason = refusal.removesuffix(f": {text}")  # RE2 says the whole expression again
        rule = f"must be a regular expression (RE2), got {quote(text)}: {reason}"
        raise BadFilter(rule) from error


# Parts of an expression: a letter or class, a repetition of the part before, an end of a group.
_PART: Final = re.compile(
    r"(?P<one>\\[pPxuN]\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])"
    r"|\{(?P<least>\d+)(?:,\d*)?\}|(?P<group>[()])|.",
    re.DOTALL | re.ASCII,
)
_MOST_DIGITS: Final = 9


def _written_out(text: str) -> int:
    """Return how many letters and classes an expression has with its repetitions written out.

    Each is written out as often as it occurs at least.
    """
    outer: list[int] = []
    total = last = 0
    for part in _PART.finditer(text):
        if part["group"] == "(":
            outer.append(total)
            total = last = 0
        elif part["group"]:
            last = max(total, 1)
            total = last + (outer.pop() if outer else 0)
        elif part["least"]:
            digits = part["least"].lstrip("0") or "0"  # beyond them, what is compiled is a loop
            times = int(digits) if len(digits) <= _MOST_DIGITS else LARGEST + 1
            total += last * (max(times, 1) - 1)
            last *= max(times, 1)
        else:
            last = 1
            total += 1
    return total


# What is no group or escape of its own, and that of which Go is stricter than RE2.
_STRICTER: Final = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?P?<([^>]*)>|\\(.)"
    # RE2 takes a longer number for the text that it is.
    r"|(\{(?:\d+,[1-9]\d{8,}|[1-9]\d{8,}(?:,\d*)?)\})",
    re.DOTALL | re.ASCII,
)


def _refused_by_go(text: str) -> str:
    """What a cluster, which is written in Go, refuses of a filter that RE2 itself takes."""
    names: set[str] = set()
    for match in _STRICTER.finditer(text):
        name = match[1]
        if match[2] == "C":
            return "invalid escape sequence: \\C"
        if match[3]:
            return f"invalid repetition size: {match[0]}"
        if name is not None and not re.fullmatch(r"\w+", name, re.ASCII):
            return f"invalid named capture: {name}"
        if name in names:
            return f"duplicate capture group name: {name}"
        if name is not None:
            names.add(name)
    return ""


def _first_group(text: str) -> str | None:
    """The expression in the first group of `text`; None if it depends on what is around it."""
    if "(?" in text or "\\Q" in text:  # flags, names, literal stretches: read by RE2 alone
        return None
    depth, begin, position = 0, -1, 0
    in_class = False
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            if begin >= 0 and text[position + 1 : position + 2] in tuple("bBAz"):
                return None
            position += 1
        elif in_class:
            if text.startswith("[:", position):
                position = max(text.find(":]", position), position) + 1
            else:
                in_class = letter != "]"
        elif letter == "[":
            in_class = True
            # A bracket right at the beginning of a class stands for itself.
            position += text.startswith("^", position + 1)
            position += text.startswith("]", position + 1)
        elif letter == "(":
            depth += 1
            begin = position + 1 if begin < 0 else begin
        elif letter == ")":
            depth -= 1
            if depth == 0 and begin >= 0:
                return text[begin:position]
        elif letter in "^$" and begin >= 0:
            return None
        position += 1
    return None
