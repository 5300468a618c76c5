"""What users are told: errors that say where, in what they wrote, which rule is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from suggestion.problem.errors import halved

R = TypeVar("R")


class BrokenRule(NamedTuple):
    """One broken rule.

    Attributes:
        place: Where it is broken, in the words of the call: ``space['lr'].min``.
        rule: The rule, and what there is instead.
    """

    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


class InvalidArgument(ValueError):
    """A space, a setting or another argument breaks rules.

    Attributes:
        broken: All of them, not only the first.
    """

    def __init__(self, broken: Iterable[BrokenRule]) -> None:
        self.broken: Sequence[BrokenRule] = tuple(broken)
        super().__init__("\n".join(str(rule) for rule in self.broken))


def attempt(broken: list[BrokenRule], make: Callable[[], R]) -> R | None:
    """Return what `make` makes; None if it breaks rules, which are added to `broken`."""
    try:
        return make()
    except InvalidArgument as error:
        broken += error.broken
        return None


def unwritable(place: str, text: str) -> list[BrokenRule]:
    """Return the rule that `text` breaks if no message can hold it."""
    if not halved(text):
        return []
    return [BrokenRule(place, f"must be text that UTF-8 can hold, got {text!r:.80}")]


class NoResult(Exception):
    """No trial has a value, so none is the best."""


class SpaceExhausted(Exception):
    """Every point of the space has been suggested."""


class TrialError(Exception):
    """Trials fail one after the other; the text holds the first traceback."""
