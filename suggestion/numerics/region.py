"""Feasible points of a space with constraints or conditions, found in bounded time.

Boxes in which a constraint never holds are cut away, by what is known of whole boxes; points are
then drawn from the boxes that are left, in proportion to the prior, and infeasible ones are drawn
again. Where even that hardly finds a point, a Markov chain runs from one that was found before.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from suggestion.numerics.boxes import Boxes, pruned
from suggestion.numerics.randomness import uniforms
from suggestion.problem.parameters import Array, Value
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.terms import Flags

#: Draws for one point before the Markov chain is used, and points searched for the first one.
MOST_DRAWS: Final = 1024
MOST_SEARCHED: Final = 2**17
#: Finite spaces of which so many combinations are left are enumerated.
MOST_ENUMERATED: Final = 2**15

_STAGES: Final = (4, 28, 224, 768)
_CHAIN: Final = 8  # steps of the Markov chain
_SHRINKS: Final = 40  # of each step
_ANCHORS: Final = 32
_CHUNK: Final = 2**14
_ROUNDS: Final = 24  # of the local search
_SURVIVORS: Final = 64
_SEED: Final = 0  # what is known of a space depends on the space alone
_KEPT: Final = 4  # regions that are kept for the next request


@dataclass(slots=True)
class _Known:
    """What a region has found out about its points, a function of its space.

    Attributes:
        combinations: Boxes of different points.
        enumerated: Whether `listing` is known.
        listing: All points, if there are few.
    """

    combinations: Boxes | None = None
    enumerated: bool = False
    listing: Listing | None = None


@dataclass(frozen=True)
class Region:
    """The feasible points of a restricted space.

    Attributes:
        space: A space with conditions or constraints.
        boxes: Where they lie.
        tried: Number of points that were looked at.
        anchors: Some of them, in the unit cube, shape (k, dimension); k is 0 where none was found.
    """

    space: SearchSpace
    boxes: Boxes
    tried: int
    anchors: Array
    _known: _Known = field(init=False, repr=False, compare=False, default_factory=_Known)

    def combinations(self, check: Callable[[], None]) -> Boxes:
        """Return boxes of different points, of a finite space: see `pruned`.

        They take seconds where constraints are long, and are kept.

        Args:
            check: Called between steps; what it raises ends the work.
        """
        if self._known.combinations is None:
            self._known.combinations = pruned(self.space, check, combinations=True)
        return self._known.combinations

    def listed(self, check: Callable[[], None]) -> Listing | None:
        """Return all points, each once, in a fixed order; None if there may be too many.

        Args:
            check: As for `combinations`.
        """
        if any(parameter.levels is None for parameter in self.space.parameters):
            return None
        if not self._known.enumerated:
            self._known.listing = _enumerated(self.space, self.combinations(check), check)
            self._known.enumerated = True
        return self._known.listing

    def judge(self, points: Array) -> Flags:
        """Return which of `points`, shape (n, dimension), are feasible."""
        space = self.space
        values: dict[str, Sequence[Value]] = {
            parameter.name: parameter.decode(points[:, column])
            for column, parameter in enumerate(space.parameters)
        }
        return space.judge(values)[1]

    def draw(
        self,
        seed: int,
        start: int,
        count: int,
        *stream: int | str,
        check: Callable[[], None],
    ) -> Array:
        """Return feasible points of the unit cube, shape (count, dimension), without conditions.

        Row r depends on the space, `seed`, `stream` and ``start + r`` alone: it is the first
        feasible one of up to `MOST_DRAWS` draws, or the end of a Markov chain.
        """
        width = self.space.dimension + 1
        found = np.empty((count, self.space.dimension))
        open_ = np.arange(count)
        used = 0
        for stage in _STAGES:
            rows = max(_CHUNK // stage, 1)
            for first in range(0, len(open_), rows):
                check()
                part = open_[first : first + rows]
                units = np.stack(
                    [
                        uniforms(seed, (start + k) * MOST_DRAWS + used, stage, width, *stream)
                        for k in part.tolist()
                    ]
                )
                points = self.boxes.place(units.reshape(-1, width))
                feasible = self.judge(points).reshape(len(part), stage)
                chosen = points.reshape(len(part), stage, -1)[
                    np.arange(len(part)), feasible.argmax(axis=1)
                ]
                hit = feasible.any(axis=1)
                found[part[hit]] = chosen[hit]
                open_[first : first + rows] = np.where(hit, -1, part)
            open_ = open_[open_ >= 0]
            used += stage
        for first in range(0, len(open_), _CHUNK // _SHRINKS):
            check()
            part = open_[first : first + _CHUNK // _SHRINKS]
            found[part] = self._chain(seed, start + part, *stream)
        return found

    def _chain(self, seed: int, indices: NDArray[np.intp], *stream: int | str) -> Array:
        """Return the ends of Markov chains from anchors, shape (n, dimension).

        Each step is uniform in a cube that shrinks towards the point until it meets the region:
        slice sampling by shrinkage, section 5 of [Neal2003]_.

        .. [Neal2003] R. M. Neal. Slice sampling. Annals of Statistics 31, 2003.
        """
        d = self.space.dimension
        width = _CHAIN * _SHRINKS * d + 1
        numbers = np.stack(
            [uniforms(seed, k, 1, width, *stream, "chain")[0] for k in indices.tolist()]
        )
        assert len(self.anchors), "a region without a point is refused"
        points = self.anchors[(numbers[:, -1] * len(self.anchors)).astype(np.intp)]
        steps = numbers[:, :-1].reshape(len(points), _CHAIN, _SHRINKS, d)
        for step in range(_CHAIN):
            points = self._shrink(points, steps[:, step])
        return points

    def _shrink(self, points: Array, units: Array) -> Array:
        """Return a step from each of `points` (n, d), by draws `units` (n, shrinks, d)."""
        low, high = np.zeros_like(points), np.ones_like(points)
        moved, open_ = points.copy(), np.arange(len(points))
        for shrink in range(units.shape[1]):
            if not len(open_):
                break
            lows, highs, at = low[open_], high[open_], points[open_]
            tried = lows + units[open_, shrink] * (highs - lows)
            feasible = self.judge(tried)
            moved[open_[feasible]] = tried[feasible]
            low[open_] = np.where(tried < at, tried, lows)
            high[open_] = np.where(tried >= at, tried, highs)
            open_ = open_[~feasible]
        return moved

    def repaired(self, points: Array, towards: Array | None = None) -> Array:
        """Return feasible points near `points`, shape (n, dimension): feasible ones stay.

        Others move towards the nearest of `towards`, by default of the anchors, half of what is
        left at a time.

        Args:
            towards: Feasible points, shape (k, dimension), k >= 1.
        """
        towards = self.anchors if towards is None or not len(towards) else towards
        points = np.clip(np.nan_to_num(points, nan=0.5), 0.0, 1.0)
        found = points.copy()
        for row in np.flatnonzero(~self.judge(points)).tolist():
            point = points[row]
            target = towards[int(np.argmin(np.sum(np.square(towards - point), axis=1)))]
            shares = np.append(0.5 ** np.arange(1, _SHRINKS), 0.0)
            # From the target outwards, so that the last feasible one of an unbroken row is taken.
            line = target + shares[::-1, None] * (point - target)
            feasible = self.judge(line)
            last = len(line) if feasible.all() else int(np.argmin(feasible))
            found[row] = line[max(last - 1, 0)]
        return found


_regions: Final[OrderedDict[SearchSpace, Region]] = OrderedDict()
_lock: Final = threading.Lock()


def region_of(space: SearchSpace, check: Callable[[], None]) -> Region:
    """Return the region of a restricted `space`; one without anchors has no known point.

    It may take seconds, where constraints are long, and is kept for a while.

    Args:
        check: Called between steps; what it raises ends the search.
    """
    with _lock:
        region = _regions.get(space)
    if region is None:
        region = _found(space, check)
    with _lock:
        _regions[space] = region
        _regions.move_to_end(space)
        while len(_regions) > _KEPT:
            _regions.popitem(last=False)
    return region


def _found(space: SearchSpace, check: Callable[[], None]) -> Region:
    boxes = pruned(space, check)
    if boxes.empty or not space.constraints:
        middle = np.full((0 if boxes.empty else 1, space.dimension), 0.5)
        return Region(space, boxes, 0, middle)
    tried, anchors = _search(Region(space, boxes, 0, np.empty((0, space.dimension))), check)
    return Region(space, boxes, tried, anchors)


def _search(region: Region, check: Callable[[], None]) -> tuple[int, Array]:
    """Return how many points were looked at, and up to `_ANCHORS` feasible ones."""
    found: list[Array] = []
    width = region.space.dimension + 1
    tried = 0
    while tried < MOST_SEARCHED // 2 and sum(map(len, found)) < _ANCHORS:
        check()
        units = uniforms(_SEED, tried, min(_CHUNK, max(256, tried)), width, "region")
        points = region.boxes.place(units)
        tried += len(points)
        found.append(points[region.judge(points)])
    if any(map(len, found)):
        return tried, np.concatenate(found)[:_ANCHORS]
    return _descend(region, tried, check)


def _descend(region: Region, tried: int, check: Callable[[], None]) -> tuple[int, Array]:
    """Search from the points that are least infeasible, in ever smaller steps around them."""
    space, d = region.space, region.space.dimension
    points = region.boxes.place(uniforms(_SEED, 0, 4096, d + 1, "descent"))
    for turn in range(_ROUNDS):
        check()
        distance = _distance(space, points)
        tried += len(points)
        if (distance == 0).any():
            return tried, points[distance == 0][:_ANCHORS]
        best = points[np.argsort(distance, kind="stable")[:_SURVIVORS]]
        numbers = uniforms(_SEED, turn * 2048, 2048, 2 * d + 1, "descent", "steps")
        steps = (numbers[:, :d] - 0.5) * 10.0 ** (-4 * numbers[:, -1:])
        moved = numbers[:, d : 2 * d] < max(0.3, 1.5 / d)
        around = best[np.arange(2048) % len(best)]
        points = np.vstack([best, np.clip(around + np.where(moved, steps, 0.0), 0.0, 1.0)])
    return tried, np.empty((0, d))


def _distance(space: SearchSpace, points: Array) -> Array:
    """Return the sum of the distances of all constraints, 0 where a point is feasible."""
    values = {p.name: p.decode(points[:, k]) for k, p in enumerate(space.parameters)}
    active, feasible = space.judge(values)
    numbers = {p.name: p.as_numbers(values[p.name]) for p in space.parameters}
    names = [p.name for p in space.parameters]
    total = np.zeros(len(points))
    for expression in space.constraints:
        used = active[:, [names.index(name) for name in expression.names]].all(axis=1)
        total += np.where(used, np.minimum(expression.distance(numbers), 1e300), 0.0)
    return np.where(feasible, 0.0, np.maximum(total, math.ulp(0.0)))


class Listing(Sequence[Assignment]):
    """All points of a finite space, in little memory: each is made when it is looked at.

    Args:
        space: Of the points.
        columns: The parameters that do not have the same level everywhere.
        levels: Their levels at n points, -1 where one is inactive; shape (n, len(columns)).
        fixed: The level of every parameter that is not among `columns`; shape (dimension,).
    """

    def __init__(
        self,
        space: SearchSpace,
        columns: Sequence[int],
        levels: NDArray[np.int64],
        fixed: NDArray[np.int64],
    ) -> None:
        self._space, self._columns = space, columns
        self._levels, self._fixed = levels, fixed

    def __len__(self) -> int:
        return len(self._levels)

    @overload
    def __getitem__(self, index: int) -> Assignment: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Assignment]: ...

    def __getitem__(self, index: int | slice) -> Assignment | Sequence[Assignment]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        levels = self._fixed.copy()
        levels[self._columns] = self._levels[index]
        pairs = zip(self._space.parameters, levels.tolist(), strict=True)
        return {p.name: p.value(level) for p, level in pairs if level >= 0}

    def levels(self, column: int) -> NDArray[np.int64]:
        """Return the level of one parameter at every point, -1 where it is inactive; shape (n,)."""
        if column not in self._columns:
            return np.full(len(self), self._fixed[column])
        return self._levels[:, self._columns.index(column)]


def _enumerated(space: SearchSpace, boxes: Boxes, check: Callable[[], None]) -> Listing | None:
    if boxes.combinations > MOST_ENUMERATED:
        return None
    places = {p.name: k for k, p in enumerate(space.parameters)}
    fixed = np.zeros(space.dimension, dtype=np.int64) if boxes.empty else boxes.low[0]
    fixed = fixed.astype(np.int64)
    varying = [] if boxes.empty else boxes.varying
    columns = sorted({*varying, *(places[name] for name, _ in space.conditional)})
    found: dict[bytes, None] = {}
    for cell in boxes.cells():
        check()
        values: dict[str, Sequence[Value]] = {
            p.name: (
                [p.value(level) for level in cell[:, k].tolist()]
                if k in columns
                else [p.value(int(fixed[k]))] * len(cell)
            )
            for k, p in enumerate(space.parameters)
        }
        active, feasible = space.judge(values)
        rows = np.where(active, cell, -1)[feasible][:, columns]
        found.update(dict.fromkeys(row.tobytes() for row in np.ascontiguousarray(rows)))
    levels = np.frombuffer(b"".join(found), dtype=np.int64).reshape(len(found), len(columns))
    return Listing(space, columns, levels, fixed)
