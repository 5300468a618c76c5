"""What a worker is told of a search space, and the little that its modules share.

Workers run in environments that have a rival's packages and nothing of this project, so these
modules import the standard library alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, runtime_checkable


@dataclass(frozen=True)
class Dimension:
    """One parameter, as every rival can say it.

    Attributes:
        name: Unique in the space.
        kind: ``real``; ``integer``; ``index``, the place in an ordered list; or ``category``, the
            place in an unordered one.
        low: Smallest value; 0 of a place.
        high: Largest value; of a place the number of values minus one.
        log: Whether a real or an integer is to be thought of by its logarithm.
    """

    name: str
    kind: Literal["real", "integer", "index", "category"]
    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return self.kind != "real"

    @property
    def count(self) -> int:
        """Number of values of what is not real."""
        return int(self.high - self.low) + 1

    def middle(self, value: int) -> float:
        """Where `value` of an integer or index is between 0 and 1, on its scale."""
        if self.log:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return (math.log(value) - low) / (high - low)
        return (value - self.low + 0.5) / self.count

    def clipped(self, value: float) -> float | int:
        """Return the closest value that the parameter can have."""
        inside = min(max(float(value), self.low), self.high)
        return round(inside) if self.whole else inside

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Task:
    """What an optimiser is made for.

    Attributes:
        engine: Its name, as ``optuna:gp``.
        dimensions: The search space.
        seed: Of its random numbers.
        trials: How many there will be, for those that plan by it.
    """

    engine: str
    dimensions: Sequence[Dimension]
    seed: int
    trials: int

    @property
    def variant(self) -> str:
        """What follows the colon in the engine's name."""
        return self.engine.partition(":")[2]


#: A value of each dimension, in their order.
Point = list[Any]


class Optimiser(Protocol):
    """One run of a rival; each module of this folder that adapts one has such a class `Rival`."""

    def __init__(self, task: Task) -> None: ...

    def ask(self, count: int) -> list[Point]:
        """Return `count` points to evaluate at the same time."""
        ...

    def tell(self, losses: Sequence[float]) -> None:
        """Take the losses of the points that were asked for last."""
        ...


@runtime_checkable
class Recommender(Protocol):
    """A rival that says which trial to use, where losses are noisy."""

    def recommended(self) -> int | None:
        """Return the place of a trial among those that were told; None for the lowest loss."""
        ...
