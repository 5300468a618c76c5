"""What an early-stopping rule is, and how the installed ones are found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from suggestion.algorithm import Registry

#: The largest step that a reply can hold.
MAX_STEP: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of a completed trial.

    Attributes:
        trial: Its name.
        losses: The objective at its first reports, in order of time, turned round when it is
            maximised: lower is better. Not longer than the `horizon` of the rule that asks, never
            empty. A report that is no finite number keeps its place, as nan; at least one loss
            is finite.
    """

    trial: str
    losses: Sequence[float]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Stop a trial whose lowest loss up to its `step`-th report, counted from 1, is above `loss`.

    One rule gives at most one: a trial stops only when all of its thresholds are crossed, and
    thresholds of one metric share a counter of reports, so that several would be no ladder.
    """

    loss: float
    step: int


class Rule(Protocol):
    """Decides when trials are given up; a frozen dataclass whose fields are its settings.

    Class attributes:
        name: Under which it is registered, by `suggestion.algorithm.register`.
    """

    name: ClassVar[str]

    @property
    def horizon(self) -> int:
        """How many reports of each completed trial it looks at."""
        ...

    @property
    def min_trials_required(self) -> int:
        """With fewer completed trials there is no threshold, whatever their curves."""
        ...

    def threshold(self, curves: Sequence[Curve]) -> Threshold | None:
        """The threshold that the trials created next get, or None to let them run.

        A function of its arguments, and independent of the order of `curves`: no state, no clock.

        Args:
            curves: Of all completed trials whose logs are usable; may be fewer than
                `min_trials_required`.
        """
        ...


RULES: Final = "suggestion.early_stopping"


def rules(only: Iterable[str] | None = None) -> Registry[Rule]:
    """The registry of installed rules.

    Raises:
        Unavailable: If a name in `only` is not installed.
    """
    return Registry(RULES, "early-stopping algorithm", only)
