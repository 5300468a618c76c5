"""What can be wrong with a request, as values: every violation, not the first."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from suggestion.problem.locations import Location

#: Violations that are collected before reading ends.
MOST_VIOLATIONS: Final = 1000

_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes:
        location: What breaks it, for machines; see `suggestion.problem.locations`.
        description: *subject: rule, got value*, for people; it names the place in their words.
    """

    location: Location
    description: str

    def __post_init__(self) -> None:
        # Algorithms written for the release before give a path from the experiment, as text.
        if isinstance(self.location, str):
            text = "the location of a Violation is a tuple, such as ('parameters', 'lr', 'step')"
            warnings.warn(f"{text}, got {quote(self.location)}", DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "location", (self.location,))

    def under(self, *steps: str | int) -> Violation:
        """Return the same violation with `steps` put before its location."""
        return Violation((*steps, *self.location), self.description)


class Invalid(ValueError):
    """A request or declaration that breaks rules; becomes INVALID_ARGUMENT."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.description for v in self.violations))


class Violations(list[Violation]):
    """Violations as they are found, at most `MOST_VIOLATIONS`.

    Many small mistakes would take far more memory and time to describe than to send.

    `append`, `extend` and ``+=`` raise `Invalid` with these once there are so many.
    """

    def append(self, violation: Violation, /) -> None:
        self.extend((violation,))

    def extend(self, violations: Iterable[Violation], /) -> None:
        for violation in violations:
            super().append(violation)
            if len(self) >= MOST_VIOLATIONS:
                raise Invalid(self)

    def __iadd__(self, violations: Iterable[Violation], /) -> Self:  # type: ignore[override,misc]
        self.extend(violations)
        return self


class Broken(Exception):
    """A reply that must not leave: an algorithm or a rule has a bug; becomes INTERNAL."""


class Exhausted(Exception):
    """Nothing is left to suggest; becomes OUT_OF_RANGE."""


class Unready(Exception):
    """The machine cannot do what is asked (a full disk, say); becomes FAILED_PRECONDITION."""


class Missing(Exception):
    """What the request is about does not exist; becomes NOT_FOUND."""


class Denied(Exception):
    """This server may not do what is asked; becomes PERMISSION_DENIED."""


class Unreachable(Exception):
    """Another service or a database does not answer; becomes UNAVAILABLE."""


class TimedOut(Exception):
    """Another service or a database is too slow; becomes DEADLINE_EXCEEDED."""


class TooLarge(Exception):
    """The reply would exceed what this server sends; becomes RESOURCE_EXHAUSTED."""


class Cancelled(Exception):
    """The caller has gone or its deadline has passed; computing on helps nobody."""


def halved(text: str) -> bool:
    """Return whether `text` has half of a letter (a lone surrogate), which UTF-8 cannot hold."""
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


def quote(text: object) -> str:
    """`text` as it stands in a message: quoted, printable and cut to 80 characters."""
    text = str(text)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
