"""Points and trials, as users see them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

R = TypeVar("R")
N = TypeVar("N")


class State(enum.StrEnum):
    """What has become of a trial."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"  # early, since it would not have won
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of the trial."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Point(Mapping[str, object]):
    """A suggested point: a mapping from the names of parameters to their values.

    Attributes:
        number: Index of the suggestion, from 0.
        name: Name of its trial.
        labels: What the algorithm says of it, for people.
    """

    number: int
    name: str
    values_by_name: Mapping[str, object]
    labels: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> object:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash((self.number, self.name))

    def __repr__(self) -> str:
        return repr(dict(self))

    def as_float(self, name: str) -> float:
        """Return the value of a parameter that is a number.

        Raises:
            TypeError: If it is something else.
        """
        value = self[name]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise TypeError(f"point[{name!r}]: must be a number, got {value!r:.80}")

    def as_int(self, name: str) -> int:
        """Return the value of a parameter that is an int; else as `as_float`."""
        return self._of(name, int, "an int")

    def as_str(self, name: str) -> str:
        """Return the value of a parameter that is a text; else as `as_float`."""
        return self._of(name, str, "a text")

    def _of(self, name: str, kind: type[N], noun: str) -> N:
        value = self[name]
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
        raise TypeError(f"point[{name!r}]: must be {noun}, got {value!r:.80}")

    def call(self, function: Callable[..., R]) -> R:
        """Return ``function(**point)``, typed by what the function returns."""
        return function(**self)


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial: a point and what has come of it.

    Attributes:
        number: Index of its suggestion, from 0.
        name: Its name.
        parameters: The values that it has tried.
        state: What has become of it.
        value: The main objective; None without a finite one.
        metrics: The latest value of each metric that it has reported, the objective included.
        error: Why it failed: its traceback, if it has left one; else empty.
        duration: Seconds that it ran; None where that is unknown.
        output: File with all that it has printed; None if there is none.
        objectives: All objectives by name; empty unless each has a finite value.
        violations: By how much it violates each of the metric constraints, which are the keys: 0
            where one is met, else a share of the bound, and infinite if the metric is lacking.
    """

    number: int
    name: str
    parameters: Mapping[str, object]
    state: State
    value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    duration: float | None = None
    output: Path | None = None
    objectives: Mapping[str, float] = field(default_factory=dict)
    violations: Mapping[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """Whether it meets all metric constraints."""
        return not any(self.violations.values())
