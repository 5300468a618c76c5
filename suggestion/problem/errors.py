"""What can be wrong with a request, as values: every violation, not the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_LONGEST = 80


class Violation(NamedTuple):
    """One broken rule.

    Attributes:
        field: Path of the offending field from the root of the request, for machines:
            ``experiment.spec.parameter_specs.parameters[0].feasible_space.min``.
        description: *subject: rule, got value*, for people; it names the field in their words.
    """

    field: str
    description: str

    def under(self, prefix: str) -> Violation:
        """The same violation with `prefix` put before its path."""
        return Violation(f"{prefix}.{self.field}" if self.field else prefix, self.description)


class Invalid(ValueError):
    """A request or declaration that breaks rules; becomes INVALID_ARGUMENT."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(v.description for v in self.violations))


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


def quote(text: object) -> str:
    """`text` as it stands in a message: quoted, printable and cut to 80 characters."""
    text = str(text)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
