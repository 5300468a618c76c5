"""Points that do not repeat, as functions of a seed and an index."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from suggestion.numerics import feasible
from suggestion.numerics.randomness import Order, Permutation, uniforms
from suggestion.numerics.region import region_of
from suggestion.problem.deadline import NEVER, watched
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace

_FEW_POINTS: Final = 2**16
_BLOCK: Final = 2**16  # elements of a stream that are kept apart
_CHUNK: Final = 1024  # points computed between two looks at the deadline
_REST: Final = 64  # of those that a stream has not brought
_EXACT: Final = 2**50  # levels whose cells have coordinates of their own
#: Quantiles that are further apart are not the same decimal. A decimal is at most 1e-9 of the range
#: wide, or of the number where the prior is logarithmic, and the density at most 2.4 (normal).
_NEAR: Final = 1e-8


def independent(
    space: SearchSpace,
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None] = NEVER.check,
    skip: Sequence[Assignment] = (),
) -> list[Assignment]:
    """Suggestions `start` .. of the stream of independent draws from the prior.

    On a finite space every point comes once before any comes again, in the order in which draws
    without replacement, each in proportion to the prior, would give them; then the same order
    repeats, so that a repetition is always as far away as it can be.

    Args:
        check: Called between steps; may raise, see `Deadline.check`.
        skip: Different points that are left out, as far as there are others.
    """
    if space.restricted:
        return feasible.independent(space, seed, start, count, check, skip)
    size = space.size
    if size is None:
        pass
    elif all(parameter.is_uniform for parameter in space.parameters):
        return _permuted(space, seed, start, count, check, skip)
    elif size <= _FEW_POINTS:
        return _weighted(space, seed, start, count, skip)

    def draw(first: int, number: int) -> Array:
        return uniforms(seed, first, number, space.dimension, "independent")

    return distinct(space, draw, seed, start, count, check, skip)


def draws(
    space: SearchSpace,
    seed: int,
    start: int,
    count: int,
    *stream: int | str,
    check: Callable[[], None],
) -> list[Assignment]:
    """Return draws `start` .. from the prior, of a stream of its own; they may repeat.

    Draw i depends on the space, `seed`, `stream` and i alone.

    Args:
        check: Called between steps; may raise, see `Deadline.check`.
    """
    if space.constraints:
        region = region_of(space, check)
        return space.decode(region.draw(seed, start, count, *stream, check=check))
    return space.decode(uniforms(seed, start, count, space.dimension, *stream))


def _permuted(
    space: SearchSpace,
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None],
    skip: Sequence[Assignment],
) -> list[Assignment]:
    assert space.size is not None
    order = Permutation(space.size, seed, "independent")
    points = Order(lambda index: space.point(order(index)), space.size, space.key, skip)
    found: list[Assignment] = []
    for first in range(start, start + count, _CHUNK):
        check()
        found += map(points, range(first, min(first + _CHUNK, start + count)))
    return found


def _weighted(
    space: SearchSpace, seed: int, start: int, count: int, skip: Sequence[Assignment]
) -> list[Assignment]:
    """Sequential draws without replacement, by exponential clocks [EfraimidisSpirakis2006]_.

    .. [EfraimidisSpirakis2006] P. S. Efraimidis, P. G. Spirakis. Weighted random sampling with a
       reservoir. Information Processing Letters 97(5), 2006.
    """
    assert space.size is not None
    weights = np.ones(1)
    for parameter in space.parameters:
        assert parameter.levels is not None
        low, high = parameter.cells(np.arange(parameter.levels, dtype=np.int64))
        weights = np.outer(weights, high - low).ravel()
    clocks = -np.log1p(-uniforms(seed, 0, space.size, 1, "clocks")[:, 0])
    order = np.argsort(clocks / np.maximum(weights, 1e-300), kind="stable").tolist()
    points = Order(lambda index: space.point(order[index]), space.size, space.key, skip)
    return [*map(points, range(start, start + count))]


def distinct(
    space: SearchSpace,
    draw: Callable[[int, int], Array],
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None] = NEVER.check,
    skip: Sequence[Assignment] = (),
) -> list[Assignment]:
    """Elements `start` .. of a stream of points with its repetitions left out.

    Where the stream hardly brings new points any more, the rest of a finite space follows in a
    random order; after its last point the space begins again. In a space of more than 65,536 points
    where draws can repeat, the first 65,536 elements differ, the next 65,536, and so on: an element
    costs at most as much as those of its block before it. Of a restricted space see
    `feasible.walk`.

    Args:
        draw: Points ``first`` .. of the stream, ``draw(first, n)`` of shape (n, dimension).
        check: Called between steps; may raise, see `Deadline.check`.
        skip: Different points that are left out, as far as there are others.
    """
    if space.restricted:
        return feasible.walk(space, draw, seed, start, count, check, skip)
    size = space.size
    if size is not None:
        size -= len(skip)
        if not size:  # every point is left out, so all begin again
            return distinct(space, draw, seed, start, count, check)
    found: list[Assignment] = []
    if size is None and not feasible.repeats(space):
        for first in range(start, start + count, _CHUNK):
            check()
            found += space.decode(draw(first, min(_CHUNK, start + count - first)))
        return found
    while len(found) < count:
        position = start + len(found)
        if size is not None:
            position %= size
        block, first = divmod(position, _BLOCK)
        number = min(count - len(found), _BLOCK - first)
        if size is not None:
            number = min(number, size - position)
        found += _block(space, draw, seed, block * _BLOCK, first, number, check, skip)
    return found


def _block(
    space: SearchSpace,
    draw: Callable[[int, int], Array],
    seed: int,
    offset: int,
    start: int,
    count: int,
    check: Callable[[], None],
    skip: Sequence[Assignment],
) -> list[Assignment]:
    """Return elements `start` .. of the block of a stream that begins at its point `offset`."""
    size = space.size
    if size is None:
        return _continuous_block(space, draw, offset, start, count, check)
    exact = all((p.levels or 0) < _EXACT for p in space.parameters)
    seen: set[bytes] = set()
    if skip:
        cells = space.encode(skip)
        seen.update((cell.tobytes() for cell in cells) if exact else _digests(space, skip))
    found: list[Assignment] = []

    def fresh(marks: Iterable[bytes]) -> list[int]:
        """Return which of these come first, and are asked for."""
        picked = []
        for k, mark in enumerate(marks):
            if mark not in seen:
                seen.add(mark)
                if start < len(seen) - len(skip) <= start + count:
                    picked.append(k)
        return picked

    drawn = 0
    # The chunks are the same whatever is asked for, so where the stream is given up is too.
    while len(found) < count and drawn <= 4 * len(seen) + 4096:
        check()
        chunk = draw(offset + drawn, min(max(drawn, 64), _CHUNK))
        if exact:
            found += space.decode(chunk[fresh(cell.tobytes() for cell in space.snap(chunk))])
        else:
            assignments = space.decode(chunk)
            found += [assignments[k] for k in fresh(_digests(space, assignments))]
        drawn += len(chunk)
    order = Permutation(size, seed, "rest")
    for first in range(0, size, _REST):
        if len(found) >= count:
            break
        check()
        indices = range(first, min(first + _REST, size))
        rest = [space.point(order((offset + index) % size)) for index in indices]
        if exact:
            picked = fresh(cell.tobytes() for cell in space.encode(rest))
        else:
            picked = fresh(_digests(space, rest))
        found += [rest[k] for k in picked]
    return found


def _digests(space: SearchSpace, assignments: Iterable[Assignment]) -> Iterator[bytes]:
    """Yield a mark for each point, by its values: the coordinates of a fine lattice can be equal.

    They are short, because those of 65,536 points are kept.
    """
    for assignment in assignments:
        text = repr(space.key(assignment))
        yield hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


def _continuous_block(
    space: SearchSpace,
    draw: Callable[[int, int], Array],
    offset: int,
    start: int,
    count: int,
    check: Callable[[], None],
) -> list[Assignment]:
    """Return elements `start` .. of a block of a stream in which hardly a point repeats.

    To write down each point before `start` would take seconds: only those are that have a
    neighbour so near that both could be the same decimal.
    """
    column = next(k for k, p in enumerate(space.parameters) if p.levels is None)
    points = np.empty((0, space.dimension))
    repeated: list[int] = []
    while len(points) - len(repeated) < start + count:
        for first in range(len(points), start + count + len(repeated), _CHUNK):
            check()
            number = min(_CHUNK, start + count + len(repeated) - first)
            points = np.concatenate([points, draw(offset + first, number)])
        order = np.argsort(points[:, column], kind="stable")
        near = np.flatnonzero(np.diff(points[order, column]) < _NEAR)
        suspects = np.unique(order[np.union1d(near, near + 1)])
        seen: set[bytes] = set()
        repeated = []
        for k, mark in zip(suspects, _digests(space, space.decode(points[suspects])), strict=True):
            if mark in seen:
                repeated.append(int(k))
            seen.add(mark)
    kept = np.delete(np.arange(len(points)), repeated)
    return space.decode(points[kept[start : start + count]])


class Visited:
    """Points of a space that were tried or handed out; infeasible ones do not count.

    Args:
        space: Of the points.
        assignments: The first of them.
        check: Called between steps of a search; may raise, see `Deadline.check`.
    """

    def __init__(
        self,
        space: SearchSpace,
        assignments: Iterable[Assignment] = (),
        check: Callable[[], None] = NEVER.check,
    ) -> None:
        self._space = space
        self._keys = {
            space.key(assignment)
            for assignment in watched(assignments, check)
            if space.feasible(assignment)
        }
        self.check = check

    def __contains__(self, assignment: Assignment) -> bool:
        return self._space.key(assignment) in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, assignment: Assignment) -> None:
        self._keys.add(self._space.key(assignment))

    @property
    def used_up(self) -> bool:
        """Whether no point of a finite space is left."""
        size = self._space.size
        if size is not None and self._space.restricted and (listed := self._listed) is not None:
            size = len(listed)
        return size is not None and len(self._keys) >= size

    @property
    def _listed(self) -> Sequence[Assignment] | None:
        return region_of(self._space, self.check).listed(self.check)

    def unvisited(self, seed: int, *stream: int | str) -> Assignment:
        """A random point that is not among these.

        If every point of a finite space is, they are forgotten first: every point may come again.

        Args:
            seed, stream: As for `generator`; the same ones give the same point.
        """
        space = self._space
        if self.used_up:
            self._keys.clear()
        for index in range(64):
            (assignment,) = draws(space, seed, index, 1, "unvisited", *stream, check=self.check)
            if assignment not in self:
                return assignment
        if space.restricted:
            if (listed := self._listed) is not None:
                order = Permutation(len(listed), seed, "unvisited", *stream)
                return next(
                    point
                    for index in range(len(listed))
                    if (point := listed[order(index)]) not in self
                )
            self.check()
            rest = draws(space, seed, 64, _CHUNK, "unvisited", *stream, check=self.check)
            for assignment in rest:
                if assignment not in self:
                    break
            return assignment
        if space.size is not None:
            order = Permutation(space.size, seed, "unvisited", *stream)
            # One more than there are visited points suffices to meet one that is not.
            for index in range(min(space.size, len(self._keys) + 1)):
                if index % _CHUNK == 0:
                    self.check()
                assignment = space.point(order(index))
                if assignment not in self:
                    return assignment
        return assignment
