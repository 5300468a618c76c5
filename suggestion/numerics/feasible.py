"""Streams of the points of a space with constraints or conditions; `sampling` has the others.

Element i of a stream depends on the space, the seed and i alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.numerics.boxes import Boxes
from suggestion.numerics.randomness import Order, Permutation, key, mix, uniforms
from suggestion.numerics.region import Listing, region_of
from suggestion.problem import decimals
from suggestion.problem.conditions import When
from suggestion.problem.parameters import Array, Value
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.terms import Flags

Key: TypeAlias = tuple[Value | None, ...]

#: Points of a Sobol sequence, and combinations of a grid, that are looked at for one request; the
#: rest of a sequence is independent draws, and a grid ends there.
MOST_WALKED: Final = 2**16
MOST_COMBINATIONS: Final = 2**19

_MANY_POINTS: Final = 2**58  # 10,000 draws from as many repeat with a probability of 2e-10
#: Elements of a stream that are kept apart: more than one reply can hold.
_BLOCK: Final = 2**14
_CHUNK: Final = 1024
_ROUNDS: Final = 8


def independent(
    space: SearchSpace,
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None],
    skip: Sequence[Assignment] = (),
) -> list[Assignment]:
    """Return elements `start` .. of independent draws from the prior on the feasible points.

    Where all points are known, every one comes once before any comes again; elsewhere the first
    16,384 elements differ, the next 16,384, and so on, as far as there are so many points.
    """
    region = region_of(space, check)
    if (listed := region.listed(check)) is not None:
        order = _weighted(listed, space, seed)
        points = Order(lambda index: listed[order[index]], len(listed), space.key, skip)
        return [*map(points, range(start, start + count))]

    def draw(first: int, number: int) -> list[Assignment]:
        return space.decode(region.draw(seed, first, number, "independent", check=check))

    if not repeats(space):
        return draw(start, count)
    return _different(space, draw, start, count, check, skip)


def repeats(space: SearchSpace) -> bool:
    """Return whether independent draws from a continuous space could be the same point.

    Its numbers are decimals of `DIGITS` digits: one such parameter alone has so few that 10,000
    draws from them could hold a pair.
    """
    return math.prod(p.levels or decimals.FEWEST for p in space.parameters) < _MANY_POINTS


def _weighted(points: Listing, space: SearchSpace, seed: int) -> list[int]:
    """Return the order of draws without replacement: see `sampling.independent`."""
    weights = np.ones(len(points))
    for column, parameter in enumerate(space.parameters):
        levels = points.levels(column)
        rows = np.flatnonzero(levels >= 0)
        low, high = parameter.cells(levels[rows])
        weights[rows] *= high - low
    clocks = -np.log1p(-uniforms(seed, 0, len(points), 1, "clocks")[:, 0])
    order: list[int] = np.argsort(clocks / np.maximum(weights, 1e-300), kind="stable").tolist()
    return order


def _different(
    space: SearchSpace,
    draw: Callable[[int, int], list[Assignment]],
    start: int,
    count: int,
    check: Callable[[], None],
    skip: Sequence[Assignment],
) -> list[Assignment]:
    """Return elements `start` .. of a stream without its repetitions, block by block."""
    found: list[Assignment] = []
    left_out = {space.key(assignment) for assignment in skip}
    while len(found) < count:
        block, first = divmod(start + len(found), _BLOCK)
        wanted = first + min(count - len(found), _BLOCK - first)
        different: dict[Key, None] = {}
        drawn = 0
        while len(different) < wanted and drawn <= 8 * len(different) + _CHUNK:
            check()
            number = min(max(drawn, 16), _CHUNK)
            chunk = [space.key(each) for each in draw(block * 16 * _BLOCK + drawn, number)]
            drawn += len(chunk)
            different.update(dict.fromkeys(each for each in chunk if each not in left_out))
        keys = [*different] or chunk
        found += [_point(space, keys[k % len(keys)]) for k in range(first, wanted)]
    return found


def walk(
    space: SearchSpace,
    draw: Callable[[int, int], Array],
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None],
    skip: Sequence[Assignment] = (),
) -> list[Assignment]:
    """Return elements `start` .. of a sequence of points without infeasible and repeated ones.

    The sequence is spread over the least box around the feasible points. After `MOST_WALKED` of its
    points, `independent` draws follow.

    Args:
        draw: Points ``first`` .. of the sequence, ``draw(first, n)`` of shape (n, dimension).
    """
    region = region_of(space, check)
    low, high = region.boxes.hull
    left_out = {space.key(assignment) for assignment in skip}
    different: dict[Key, None] = {}

    def keep(assignments: Iterable[Assignment]) -> None:
        keys = map(space.key, assignments)
        different.update(dict.fromkeys(each for each in keys if each not in left_out))

    listed = region.listed(check)
    most = MOST_WALKED if listed is None else min(MOST_WALKED, 64 * len(listed))
    first = 0
    while first < most and len(different) < start + count:
        check()
        points = low + draw(first, min(max(first, 64), _CHUNK)) * (high - low)
        first += len(points)
        keep(space.decode(points[region.judge(points)]))
    if listed is not None and len(different) < start + count:
        order = Permutation(len(listed), seed, "rest")
        keep(listed[order(index)] for index in range(len(listed)))
        every = [*different] or [*map(space.key, listed)]
        return [_point(space, every[(start + k) % len(every)]) for k in range(count)]
    # Keys take less memory than the points of which they are.
    found = [_point(space, each) for each in islice(different, start, start + count)]
    if missing := count - len(found):
        before = max(start - len(different), 0)
        found += independent(space, seed, before, missing, check, skip)
    return found


def _point(space: SearchSpace, found_key: Key) -> Assignment:
    """Return the point that `SearchSpace.key` has returned `found_key` of."""
    pairs = zip(space.parameters, found_key, strict=True)
    return {p.name: value for p, value in pairs if value is not None}


class FeasibleGrid:
    """All points of a finite restricted space, each once, in an order that the seed decides.

    Attributes:
        size: Number of points; of combinations, which may be infeasible, if too many to list.
        exact: Whether `size` counts points.

    Args:
        check: Called between steps; may raise, see `Deadline.check`.
        skip: Different points that are left out.
    """

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        check: Callable[[], None],
        skip: Sequence[Assignment] = (),
    ) -> None:
        assert all(p.levels is not None for p in space.parameters), "a finite space"
        self._space, self._seed, self._check = space, seed, check
        self._listed = region_of(space, check).listed(check)
        self.exact = self._listed is not None
        self._tables: dict[int, Array] = {}
        self._skip = skip

    @cached_property
    def size(self) -> int:
        combinations = int(min(self._boxes.combinations, 2**62))
        whole = combinations if self._listed is None else len(self._listed)
        return whole - len(self._skip)

    @cached_property
    def _boxes(self) -> Boxes:
        return region_of(self._space, self._check).combinations(self._check)

    def points(self, start: int, count: int) -> list[Assignment]:
        """Return points `start` .., fewer than `count` if no more are left or found."""
        if (listed := self._listed) is not None:
            order = Permutation(len(listed), self._seed, "grid")
            points = Order(
                lambda index: listed[order(index)], len(listed), self._space.key, self._skip
            )
            return [*map(points, range(start, min(start + count, self.size)))]
        found: list[Assignment] = []
        left_out = {self._space.key(point) for point in self._skip}
        passed = 0
        space = self._space
        for possible in self._chunks():
            rows = possible
            if left_out:
                keys = [space.key(self._point(row)) for row in possible]
                rows = possible[[each not in left_out for each in keys]]
            chosen = rows[max(start - passed, 0) : max(start + count - passed, 0)]
            found += map(self._point, chosen)
            passed += len(rows)
            if passed >= start + count:
                break
        return found

    def _chunks(self) -> Iterator[NDArray[np.int64]]:
        """Yield the levels of points in order, some at a time."""
        space, boxes = self._space, self._boxes
        sizes = np.prod(boxes.high - boxes.low + 1, axis=1)
        ends = np.cumsum(sizes.astype(np.int64))
        total = int(ends[-1])
        for first in range(0, min(total, MOST_COMBINATIONS), 2**14):
            self._check()
            indices = _permuted(total, self._seed, first, min(2**14, total - first))
            chosen = np.searchsorted(ends, indices, side="right")
            rest = indices - (ends[chosen] - sizes[chosen].astype(np.int64))
            levels = np.empty((len(indices), space.dimension), dtype=np.int64)
            for column in reversed(range(space.dimension)):
                low = boxes.low[chosen, column].astype(np.int64)
                wide = (boxes.high[chosen, column] - boxes.low[chosen, column]).astype(np.int64) + 1
                rest, level = np.divmod(rest, wide)
                levels[:, column] = low + level
            active, feasible = self._judge(levels)
            yield levels[feasible & (active | (levels == 0)).all(axis=1)]

    def _point(self, row: NDArray[np.int64]) -> Assignment:
        pairs = zip(self._space.parameters, row.tolist(), strict=True)
        return self._space.active({p.name: p.value(level) for p, level in pairs})

    def _judge(self, levels: NDArray[np.int64]) -> tuple[Flags, Flags]:
        """Return what `SearchSpace.judge` returns of the points at `levels`, shape (n, d)."""
        space = self._space
        few = all((p.levels or 0) <= 2**17 for p in space.parameters)
        if few and all(isinstance(each, When) for each in space.conditions):
            numbers = {
                p.name: self._numbers(k)[levels[:, k]] for k, p in enumerate(space.parameters)
            }
            return space.judge_numbers(numbers)
        values = {
            p.name: [p.value(level) for level in levels[:, k].tolist()]
            for k, p in enumerate(space.parameters)
        }
        return space.judge(values)

    def _numbers(self, column: int) -> Array:
        """Return the numbers of all levels of a parameter, as expressions read them."""
        if column not in self._tables:
            parameter = self._space.parameters[column]
            assert parameter.levels is not None
            values = [parameter.value(level) for level in range(parameter.levels)]
            self._tables[column] = parameter.as_numbers(values)
        return self._tables[column]


def _permuted(size: int, seed: int, start: int, count: int) -> NDArray[np.int64]:
    """Return elements `start` .. of a random order of 0 .. size-1, below 2^62, many at once.

    A Feistel network on the least 4^h >= size, walked until it falls below size; see `Permutation`.
    """
    half = max((size - 1).bit_length() + 1, 2) // 2
    mask = np.uint64(2**half - 1)
    keys = [np.uint64(key(seed, "combinations", turn) & (2**64 - 1)) for turn in range(_ROUNDS)]
    found = np.arange(start, start + count, dtype=np.uint64)
    outside = np.ones(count, dtype=bool)
    with np.errstate(over="ignore"):
        while outside.any():
            left, right = found[outside] >> np.uint64(half), found[outside] & mask
            for turn in keys:
                left, right = right, left ^ (mix(right ^ turn) & mask)
            found[outside] = (left << np.uint64(half)) | right
            outside = found >= np.uint64(size)
    return found.astype(np.int64)
