"""The protocol of an early-stopping rule, and the registry of installed rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from suggestion.engine.algorithm import Registry
from suggestion.engine.settings import RawSetting, configure
from suggestion.problem.errors import Invalid, Violation, quote

#: The largest step that a reply can hold.
MAX_STEP: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of a trial.

    Attributes:
        trial: Name of the trial.
        losses: The objective at its first reports, in order of time, negated when maximising: lower
            is better. At most `horizon` of the rule, at least one. A report that is not a finite
            number is nan; at least one loss is finite.
    """

    trial: str
    losses: Sequence[float]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Stop a trial whose lowest loss up to its `step`-th report, counted from 1, is above `loss`.

    A rule returns at most one. Several would be no ladder: a trial stops only when it crosses all
    of its thresholds, and thresholds of one metric share a counter of reports.
    """

    loss: float
    step: int


class Rule(Protocol):
    """Decide when trials are stopped; a frozen dataclass whose fields are its settings.

    Class attributes:
        name: The name given to `register`.
    """

    name: ClassVar[str]

    @property
    def horizon(self) -> int:
        """Number of reports of each completed trial that it reads."""
        ...

    @property
    def min_trials_required(self) -> int:
        """Number of completed trials below which there is no threshold."""
        ...

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        """Return the threshold for the trials created next, or None to let them run.

        It is a function of its arguments and independent of the order of `curves`: no state, no
        clock.

        Args:
            curves: Curves of all completed trials whose logs are usable; may be fewer than
                `min_trials_required`.
        """
        ...


@runtime_checkable
class Validates(Protocol):
    """A rule whose settings are bound together by rules of their own."""

    def violations(self) -> Iterable[Violation]:
        """Yield every rule that the settings break, at ``("settings", name)``."""
        ...


RULES: Final = "suggestion.early_stopping"


def rules(only: Iterable[str] | None = None) -> Registry[Rule]:
    """Return the registry of installed rules.

    Raises:
        Unavailable: A name in `only` is not installed.
    """
    return Registry(RULES, "early-stopping algorithm", only)


def build(cls: type[Any], settings: Sequence[RawSetting]) -> Any:
    """Return the rule `cls` with `settings`.

    Raises:
        Invalid: With every violation of the rules for settings.
    """
    rule, _ = configure(cls, f"early-stopping algorithm {quote(cls.name)}", settings)
    if isinstance(rule, Validates):
        found = tuple(rule.violations())
        if found:
            raise Invalid(found)
    return rule
