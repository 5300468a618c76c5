"""Boxes that together hold every feasible point of a space.

A box has a range for each parameter: of its values where they are few, counted as levels, else of
its coordinate in the unit cube.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.numerics.randomness import uniforms
from suggestion.problem.conditions import When
from suggestion.problem.expressions import Expression
from suggestion.problem.parameters import Array, Parameter, Value
from suggestion.problem.space import SearchSpace
from suggestion.problem.terms import Flags, Range, Truth

#: Boxes at most; where more would be needed, those that are left hold infeasible points too.
MOST_BOXES: Final = 2048
#: Lattices of more values are cut as if they were continuous.
_FEW_LEVELS: Final = 2**40
_CUTS: Final = 24  # rounds of cutting slabs off
_SPLITS: Final = 60
#: What pruning may cost, in ends of ranges that are computed; takes about three seconds.
_MOST_WORK: Final = 1_500_000
#: What a term of an expression costs, in the same unit: for each look at any boxes, and each box.
_LOOK: Final = 25.0
_BOX: Final = 1 / 150
_LETTERS: Final = 5  # of a text for each of its terms
_CELLS: Final = 2**18  # levels that are computed together
#: Points that are drawn after each round, and how many feasible ones of them are enough.
_PROBES: Final = 128
_ENOUGH: Final = 16


@dataclass(frozen=True)
class Boxes:
    """n boxes that do not overlap.

    Attributes:
        space: Of the points.
        low, high: Ends of the ranges, levels included; shape (n, dimension).
    """

    space: SearchSpace
    low: Array
    high: Array

    def __post_init__(self) -> None:
        ends = [
            _units(p, self.low[:, k], self.high[:, k]) for k, p in enumerate(self.space.parameters)
        ]
        below = np.stack([low for low, _ in ends], axis=1)
        above = np.stack([high for _, high in ends], axis=1)
        volumes = np.prod(above - below, axis=1)
        object.__setattr__(self, "_below", below)
        object.__setattr__(self, "_wide", above - below)
        object.__setattr__(self, "_cumulative", np.cumsum(volumes))

    @property
    def empty(self) -> bool:
        """Whether there are none: no point is feasible."""
        return not len(self.low)

    def place(self, units: Array) -> Array:
        """Return the points of the unit cube that draws from [0, 1) make.

        Args:
            units: Shape (n, 1 + dimension); the first column chooses boxes by their volume.
        """
        cumulative: Array = self._cumulative  # type: ignore[attr-defined]
        chosen = np.searchsorted(cumulative, units[:, 0] * cumulative[-1], side="right")
        chosen = np.minimum(chosen, len(cumulative) - 1)
        below: Array = self._below[chosen]  # type: ignore[attr-defined]
        wide: Array = self._wide[chosen]  # type: ignore[attr-defined]
        points: Array = below + units[:, 1:] * wide
        return points

    @property
    def hull(self) -> tuple[Array, Array]:
        """The least box around all, in the unit cube: its ends, each of shape (dimension,)."""
        below: Array = self._below  # type: ignore[attr-defined]
        wide: Array = self._wide  # type: ignore[attr-defined]
        return below.min(axis=0), (below + wide).max(axis=0)

    @property
    def combinations(self) -> float:
        """Number of combinations of levels; infinite with a continuous parameter."""
        if any(not _is_counted(parameter) for parameter in self.space.parameters):
            return math.inf
        return float(np.prod(self.high - self.low + 1, axis=1).sum())

    def cells(self) -> Iterator[NDArray[np.int64]]:
        """Yield the levels of all combinations, some at a time, each of shape (m, dimension).

        They come box by box, the last parameter running fastest.
        """
        rows = max(_CELLS // self.space.dimension, 1)
        for low, high in zip(self.low.astype(np.int64), self.high.astype(np.int64), strict=True):
            sizes = high - low + 1
            wide = np.flatnonzero(sizes > 1).tolist()
            total = math.prod(sizes[wide].tolist())
            for first in range(0, total, rows):
                rest = np.arange(first, min(first + rows, total))
                levels = np.tile(low, (len(rest), 1))
                for column in reversed(wide):
                    rest, offset = np.divmod(rest, sizes[column])
                    levels[:, column] += offset
                yield levels

    @property
    def varying(self) -> list[int]:
        """The parameters of which not all combinations have the same level."""
        return np.flatnonzero(self.low.min(axis=0) < self.high.max(axis=0)).tolist()


def pruned(space: SearchSpace, check: Callable[[], None], *, combinations: bool = False) -> Boxes:
    """Return boxes with all feasible points of `space`, cut as far as `MOST_BOXES` allows.

    Args:
        check: Called between steps; what it raises ends the work.
        combinations: Whether to leave out, too, points that differ from others in inactive
            parameters only, whatever their prior; of a finite space.
    """
    dimension = space.dimension
    high = [p.levels - 1.0 if p.levels and _is_counted(p) else 1.0 for p in space.parameters]
    low, high_ = np.zeros((1, dimension)), np.array([high])
    if space.constraints or combinations:
        low, high_ = _Pruning(space, combinations, check).run(low, high_)
    return Boxes(space, low, high_)


def never_active(space: SearchSpace, check: Callable[[], None]) -> list[str]:
    """Return the parameters of which it is certain that they are active at no point of `space`.

    Args:
        check: Called between steps; what it raises ends the work.
    """
    if not space.conditions:
        return []
    return _Pruning(space, False, check).never_active()


class _Pruning:
    """Cuts what never holds off boxes, and splits those of which too little is known."""

    def __init__(self, space: SearchSpace, combinations: bool, check: Callable[[], None]) -> None:
        self._space, self._combinations, self._check = space, combinations, check
        names = [parameter.name for parameter in space.parameters]
        # Where a condition is no expression, nothing is known of what it decides.
        self._when = dict(space.conditional)
        used = {name for expression in space.constraints for name in expression.names}
        parents = {
            name for _, whens in space.conditional for when in whens for name in when.parents
        }
        if combinations:
            used |= parents
        self._columns = [k for k, name in enumerate(names) if name in used]
        self._places = {name: k for k, name in enumerate(names)}
        self._read = [k for k, name in enumerate(names) if name in used | parents]
        whens = [when for _, each in space.conditional for when in each]
        read = [*space.constraints, *(w.expression for w in whens if isinstance(w, When))]
        self._terms = sum(len(each.text) // _LETTERS + 1 for each in read)
        self._left: float = _MOST_WORK

    def never_active(self) -> list[str]:
        """Return the parameters that are surely inactive everywhere."""
        whole = pruned(SearchSpace(self._space.parameters), self._check)
        active = self._active(self._ranges(whole.low, whole.high), 1)
        return [name for name, (_, off) in active.items() if off[0]]

    def run(self, low: Array, high: Array) -> tuple[Array, Array]:
        done: list[tuple[Array, Array]] = []
        for turn in range(_SPLITS):
            low, high = self._collapsed(*self._contracted(low, high))
            if self._left <= 0 or self._dense(done, low, high, turn):
                done.append((low, high))
                low, high = low[:0], high[:0]
                break
            surely, never = self._truth(low, high)
            done.append((low[surely], high[surely]))
            low, high = low[~surely & ~never], high[~surely & ~never]
            number = 2 * len(low) + sum(len(each) for each, _ in done)
            if not len(low) or number > MOST_BOXES:
                break
            split = self._split(low, high)
            if split is None:
                break
            low, high = split
        return (
            np.concatenate([*(each for each, _ in done), low]),
            np.concatenate([*(each for _, each in done), high]),
        )

    def _collapsed(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Leave of each parameter that is surely inactive its first level."""
        if not self._combinations or not len(low):
            return low, high
        low, high = low.copy(), high.copy()
        keep = np.ones(len(low), dtype=bool)
        for name, (_, off) in self._active(self._ranges(low, high), len(low)).items():
            column = self._places[name]
            keep &= ~off | (low[:, column] == 0)
            high[off, column] = 0
        return low[keep], high[keep]

    def _ranges(self, low: Array, high: Array) -> dict[str, Range]:
        self._check()
        self._left -= len(low) * (len(self._read) + _BOX * self._terms) + _LOOK * self._terms
        parameters = self._space.parameters
        return {
            parameters[k].name: _numbers(parameters[k], low[:, k], high[:, k]) for k in self._read
        }

    def _dense(self, done: list[tuple[Array, Array]], low: Array, high: Array, turn: int) -> bool:
        """Return whether draws from the boxes are feasible often enough."""
        boxes = Boxes(
            self._space,
            np.concatenate([*(each for each, _ in done), low]),
            np.concatenate([*(each for _, each in done), high]),
        )
        if boxes.empty:
            return True
        if self._combinations:
            return False
        units = uniforms(0, turn * _PROBES, _PROBES, self._space.dimension + 1, "probes")
        points = boxes.place(units)
        values: dict[str, Sequence[Value]] = {
            p.name: p.decode(points[:, k]) for k, p in enumerate(self._space.parameters)
        }
        return int(self._space.judge(values)[1].sum()) >= _ENOUGH

    def _contracted(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Cut off outer quarters in which no point is feasible, as long as there are any."""
        active = np.ones(len(low), dtype=bool)
        for _ in range(_CUTS):
            progress = np.zeros(len(low), dtype=bool)
            for column in self._columns:
                for upper in (False, True):
                    rows = np.flatnonzero(active)
                    if not len(rows) or self._left <= 0:
                        return low, high
                    inner, slab = self._halves(low[rows], high[rows], column, upper, share=0.25)
                    cut = self._truth(*slab)[1]
                    progress[rows] |= cut
                    low[rows[cut]], high[rows[cut]] = inner[0][cut], inner[1][cut]
                    keep = (low <= high).all(axis=1)
                    low, high = low[keep], high[keep]
                    active, progress = active[keep], progress[keep]
            active = progress
        return low, high

    def _halves(
        self, low: Array, high: Array, column: int, upper: bool, share: float
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Return boxes without, and with only, a share of their lower or upper end."""
        inner, slab = (low.copy(), high.copy()), (low.copy(), high.copy())
        wide = high[:, column] - low[:, column]
        if _is_counted(self._space.parameters[column]):
            size = np.maximum(np.floor((wide + 1) * share), 1)
            if upper:
                inner[1][:, column] = high[:, column] - size
                slab[0][:, column] = high[:, column] - size + 1
            else:
                inner[0][:, column] = low[:, column] + size
                slab[1][:, column] = low[:, column] + size - 1
        else:
            cut = (high if upper else low)[:, column] + (-share if upper else share) * wide
            inner[1 if upper else 0][:, column] = cut
            slab[0 if upper else 1][:, column] = cut
        return inner, slab

    def _split(self, low: Array, high: Array) -> tuple[Array, Array] | None:
        """Halve each box where it is widest; None if none can be."""
        wide = np.stack([self._width(low, high, column) for column in self._columns], axis=1)
        if not (wide > 0).any():
            return None
        widest = np.argmax(wide, axis=1)
        lows, highs = [low[wide.max(axis=1) <= 0]], [high[wide.max(axis=1) <= 0]]
        for place, column in enumerate(self._columns):
            rows = (widest == place) & (wide.max(axis=1) > 0)
            if rows.any():
                inner, slab = self._halves(low[rows], high[rows], column, False, share=0.5)
                lows += [inner[0], slab[0]]
                highs += [inner[1], slab[1]]
        return np.concatenate(lows), np.concatenate(highs)

    def _width(self, low: Array, high: Array, column: int) -> Array:
        """Return the share of the parameter's range; 0 where there is nothing to split."""
        parameter = self._space.parameters[column]
        wide = high[:, column] - low[:, column]
        if _is_counted(parameter):
            return np.asarray(wide / (parameter.levels or 1))
        return np.asarray(np.where(wide > 1e-12, wide, 0.0))

    def _truth(self, low: Array, high: Array) -> tuple[Flags, Flags]:
        """Return in which boxes every point is feasible, and in which none is."""
        ranges = self._ranges(low, high)
        surely, never = np.ones(len(low), dtype=bool), np.zeros(len(low), dtype=bool)
        active = self._active(ranges, len(low))
        if self._combinations:
            for on, off in active.values():
                surely &= on | off
        for expression in self._space.constraints:
            claimed = expression.truth(ranges)
            on = np.ones(len(low), dtype=bool)
            off = np.zeros(len(low), dtype=bool)
            for name in expression.names:
                surely_on, surely_off = active[name]
                on, off = on & surely_on, off | surely_off
            surely &= claimed.surely | off
            never |= claimed.never & on
        return surely, never

    def _active(self, ranges: dict[str, Range], number: int) -> dict[str, tuple[Flags, Flags]]:
        """Return by parameter in which boxes it is surely active, and surely not."""
        always, nowhere = np.ones(number, dtype=bool), np.zeros(number, dtype=bool)
        found = {parameter.name: (always, nowhere) for parameter in self._space.parameters}
        for name, conditions in self._when.items():
            on, off = always, nowhere
            for condition in conditions:
                if not isinstance(condition, When):
                    on = nowhere
                    continue
                met, parents = _of_condition(condition.expression, ranges, found)
                on, off = on & met.surely & parents, off | (met.never & parents)
            found[name] = (on, off)
        return found


def _of_condition(
    expression: Expression, ranges: dict[str, Range], found: dict[str, tuple[Flags, Flags]]
) -> tuple[Truth, Flags]:
    """Return what is known of a condition, and where all that it reads is surely active."""
    parents = np.logical_and.reduce([found[name][0] for name in expression.names])
    return expression.truth(ranges), np.asarray(parents)


def _is_counted(parameter: Parameter) -> bool:
    return parameter.levels is not None and parameter.levels <= _FEW_LEVELS


def _numbers(parameter: Parameter, low: Array, high: Array) -> Range:
    """Return the numbers of a parameter between two levels or coordinates, each of shape (n,)."""
    if _is_counted(parameter):
        assert parameter.levels is not None
        last = parameter.levels - 1
        ends = [
            parameter.as_numbers([parameter.value(min(max(int(k), 0), last)) for k in end.tolist()])
            for end in (low, high)
        ]
    else:
        ends = [parameter.as_numbers(parameter.decode(end)) for end in (low, high)]
    return Range(ends[0], ends[1], np.zeros(len(low), dtype=bool))


def _units(parameter: Parameter, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the same ends as coordinates of the unit cube."""
    if not _is_counted(parameter):
        return low, high
    below, _ = parameter.cells(low.astype(np.int64))
    _, above = parameter.cells(high.astype(np.int64))
    return below, above
