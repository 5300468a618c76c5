"""Parameters whose values are listed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.numbers import parse_number
from suggestion.problem.parameters import Array, Parameter, Value, name_violations


@dataclass(frozen=True, slots=True)
class _Listed(Parameter):
    """What Discrete and Categorical share: a list of texts, with equal probabilities."""

    name: str
    values: tuple[str, ...]  # verbatim

    def __post_init__(self) -> None:
        found = Violations(name_violations(self.name))
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            found.append(self._violation("list must not be empty"))
        seen: dict[object, str] = {}
        for entry in self.values:
            identity = self._identity(entry)
            if identity is None:
                found.append(self._violation(f"{self._entry_rule}, got {quote(entry)}"))
            elif identity in seen:
                same = "" if seen[identity] == entry else f", the same as {quote(seen[identity])}"
                found.append(
                    self._violation(f"list entries must differ, got {quote(entry)} again{same}")
                )
            else:
                seen[identity] = entry
        if found:
            raise Invalid(found)
        self._settle()

    @property
    def text_bytes(self) -> int:
        return max(len(text.encode()) for text in self.values)

    _entry_rule = ""

    @abstractmethod
    def _identity(self, entry: str) -> object | None:
        """What makes `entry` differ from others; None if it may not be in the list."""

    @abstractmethod
    def _settle(self) -> None:
        """Computes what is derived from the list."""

    def _violation(self, text: str) -> Violation:
        return Violation(("list",), f"parameter {quote(self.name)}: {text}")

    def cells(self, levels: NDArray[np.int64]) -> tuple[Array, Array]:
        count = len(self.values)
        return levels / count, (levels + 1) / count

    def encode(self, values: Sequence[Value]) -> Array:
        levels = np.array([self.level(v) for v in values], dtype=np.float64)
        return (levels + 0.5) / len(self.values)

    def decode(self, units: Array) -> list[Value]:
        last = len(self.values) - 1
        cells = np.clip(units, 0.0, 1.0) * len(self.values)
        return [self.value(min(int(cell), last)) for cell in cells.tolist()]


@dataclass(frozen=True, slots=True)
class Discrete(_Listed):
    """One of a list of numbers, ordered by size whatever the order of the list.

    Inside, a value is its number (a float); to a trial it is written as in the list.

    Args:
        name: Not empty.
        values: Texts of finite numbers, all different.

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    levels: int = field(init=False, repr=False, compare=False, default=0)
    numbers: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())
    _levels: dict[float, int] = field(init=False, repr=False, compare=False, default_factory=dict)
    _texts: dict[float, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    _entry_rule = "list entries of a discrete parameter must be finite numbers"

    def _identity(self, entry: str) -> float | None:
        return parse_number(entry)

    def _settle(self) -> None:
        texts = {float(text): text for text in self.values}
        object.__setattr__(self, "numbers", tuple(sorted(texts)))
        object.__setattr__(self, "levels", len(texts))
        object.__setattr__(self, "_levels", {x: k for k, x in enumerate(self.numbers)})
        object.__setattr__(self, "_texts", texts)

    def value(self, level: int) -> float:
        return self.numbers[level]

    def level(self, value: Value) -> int:
        return self._levels[value]  # type: ignore[index]

    def parse(self, text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            return None
        return number if number in self._levels else None

    def format(self, value: Value) -> str:
        return self._texts[value]  # type: ignore[index]

    def __contains__(self, value: object) -> bool:
        return isinstance(value, float) and value in self._levels


@dataclass(frozen=True, slots=True)
class Categorical(_Listed):
    """One of a list of texts, without an order.

    Args:
        name: Not empty.
        values: Texts, not empty, all different.

    Raises:
        Invalid: With every rule that the declaration breaks.
    """

    ordered = False
    levels: int = field(init=False, repr=False, compare=False, default=0)
    _levels: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    _entry_rule = "list entries must not be empty"

    def _identity(self, entry: str) -> str | None:
        return entry or None

    def _settle(self) -> None:
        object.__setattr__(self, "levels", len(self.values))
        object.__setattr__(self, "_levels", {text: k for k, text in enumerate(self.values)})

    def value(self, level: int) -> str:
        return self.values[level]

    def level(self, value: Value) -> int:
        return self._levels[value]  # type: ignore[index]

    def as_numbers(self, values: Sequence[Value]) -> Array:
        return np.array([self._levels[value] for value in values], dtype=np.float64)  # type: ignore[index]

    def parse(self, text: str) -> str | None:
        return text if text in self._levels else None

    def format(self, value: Value) -> str:
        return str(value)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and value in self._levels
