"""Map points of the unit cube to vectors between which the kernel measures distances."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array
from suggestion.problem.space import SearchSpace

#: Log prior of an optimum in the middle of a range minus that at its edge, and width of the edge as
#: a share of the range.
EDGE: Final = 0.2
EDGE_WIDTH: Final = 0.05

_MOST_CELLS: Final = 4096  # a finer lattice is treated as continuous
_MOST_VECTORS: Final = 128  # a longer list of categories has fewer vectors
_SHARED_VECTORS: Final = 64


class Features:
    """The map from the unit cube to the vectors that kernels use.

    An ordered parameter is its coordinate, in the middle of its lattice cell. A category is a unit
    vector divided by sqrt(2), so that two different ones are at squared distance 1: the kernel of
    the Hamming distance [Hutter2011]_. A missing value is at its expected squared distance from all
    others: the mean of the prior, in a direction of its own. A parameter with one value has no
    feature.

    Args:
        space: The search space.
        missing: Mask of the columns with missing values, shape (dimension,).
        points: Points of the cube that are compared with others, shape (n, dimension). Of a list of
            more than 128 categories only those that occur among them have vectors of their own; the
            others share 64, because what matters is that they differ from those that occur.

    Attributes:
        groups: Index in `columns` of each feature's parameter, shape (features,).
        columns: Columns of the cube that have features.
        continuous: Columns without cells, in which the acquisition function is differentiable.
        finite: The other columns.

    .. [Hutter2011] F. Hutter, H. H. Hoos, K. Leyton-Brown. Sequential model-based optimization for
       general algorithm configuration. LION 5, 2011.
    """

    def __init__(
        self,
        space: SearchSpace,
        missing: NDArray[np.bool_] | None = None,
        points: Array | None = None,
    ) -> None:
        self._space = space
        self.columns = np.array(
            [k for k, p in enumerate(space.parameters) if p.levels != 1], dtype=np.intp
        )
        self._levels = [p.levels or 0 for p in space.parameters]
        self._ordered = [p.ordered for p in space.parameters]
        self._edges: dict[int, tuple[Array, Array]] = {}
        self._single = [k for k, p in enumerate(space.parameters) if p.levels == 1]
        continuous = []
        for column in self.columns.tolist():
            parameter = space.parameters[column]
            if parameter.levels is None or (parameter.ordered and parameter.levels > _MOST_CELLS):
                continuous.append(column)
            elif not parameter.is_uniform:
                low, high = parameter.cells(np.arange(parameter.levels, dtype=np.int64))
                self._edges[column] = high[:-1], (low + high) / 2
        self.continuous = np.array(continuous, dtype=np.intp)
        self.finite = np.array(
            [k for k in self.columns.tolist() if k not in continuous], dtype=np.intp
        )
        absent = np.zeros(space.dimension, dtype=bool) if missing is None else missing
        conditional = {condition.parameter for condition in space.conditions}
        absent = absent | np.array([p.name in conditional for p in space.parameters])
        groups: list[int] = []
        self._first: dict[int, int] = {}  # feature of an ordered column, or its first category's
        self._widths: dict[int, int] = {}  # number of features of a column
        self._codes: dict[int, NDArray[np.int64]] = {}  # the vector of each category
        self._absent: dict[int, int] = {}  # feature of a column's missing values
        for index, column in enumerate(self.columns.tolist()):
            self._first[column] = len(groups)
            width = 1
            if not self._ordered[column]:
                codes = self._codes_of(column, points)
                self._codes[column], width = codes, int(codes.max()) + 1
            self._widths[column] = width
            groups += [index] * width
            if absent[column]:
                self._absent[column] = len(groups)
                groups.append(index)
        self.groups = np.array(groups, dtype=np.intp)
        ordered = [column for column in self._first if self._ordered[column]]
        self._ordered_columns = np.array(ordered, dtype=np.intp)
        self._ordered_features = np.array([self._first[c] for c in ordered], dtype=np.intp)
        self._continuous_features = np.array([self._first[c] for c in continuous], dtype=np.intp)

    def _codes_of(self, column: int, points: Array | None) -> NDArray[np.int64]:
        count = self._levels[column]
        levels = np.arange(count, dtype=np.int64)
        if count <= _MOST_VECTORS or points is None:
            return levels
        units = points[:, column]
        seen = np.unique(self.level(units[~np.isnan(units)], column))
        codes = len(seen) + levels % _SHARED_VECTORS
        codes[seen] = np.arange(len(seen))
        return codes

    @property
    def dimension(self) -> int:
        """Number of parameters that have features."""
        return len(self.columns)

    def levels(self, column: int) -> int:
        """Return the number of values of a finite column."""
        return self._levels[column]

    def ordered(self, column: int) -> bool:
        """Return whether the values of a column are ordered."""
        return self._ordered[column]

    def level(self, units: Array, column: int) -> NDArray[np.int64]:
        """Return the cells that contain coordinates of a finite `column`, shape (n,)."""
        if column in self._edges:
            return np.searchsorted(self._edges[column][0], units, side="right").astype(np.int64)
        count = self._levels[column]
        return np.clip(np.floor(units * count), 0, count - 1).astype(np.int64)

    def level_of(self, unit: float, column: int) -> int:
        """Return `level` of one coordinate."""
        if column in self._edges:
            return int(np.searchsorted(self._edges[column][0], unit, side="right"))
        count = self._levels[column]
        return min(max(math.floor(unit * count), 0), count - 1)

    def middle(self, levels: NDArray[np.int64], column: int) -> Array:
        """Return the middles of cells of a finite `column`, shape (n,)."""
        if column in self._edges:
            return self._edges[column][1][levels]
        return (levels + 0.5) / self._levels[column]

    def snap(self, points: Array) -> Array:
        """Move `points`, shape (n, dimension), to the middles of their cells and into the cube."""
        snapped = np.clip(points, 0.0, 1.0)
        snapped[:, self._single] = 0.5
        for column in self.finite.tolist():
            snapped[:, column] = self.middle(self.level(snapped[:, column], column), column)
        return snapped

    def __call__(self, points: Array) -> Array:
        """Return features of `points`, shape (n, dimension); the result has shape (n, features).

        Inactive parameters are missing, whatever their coordinates.
        """
        if self._space.conditions:
            points = np.where(self._space.activity(points), points, np.nan)
        rows = np.arange(len(points))
        features = np.zeros((len(points), len(self.groups)))
        features[:, self._ordered_features] = points[:, self._ordered_columns]
        for column, first in self._first.items():
            if self._ordered[column] and column not in self._absent:
                continue
            units = points[:, column]
            absent = np.isnan(units)
            count = self._widths[column]
            if self._ordered[column]:
                features[absent, first] = 0.5
                expected = 1 / 12  # of (u - 0.5)^2 for uniform u
            else:
                levels = self.level(np.where(absent, 0.5, units), column)
                features[rows, first + self._codes[column][levels]] = math.sqrt(0.5)
                features[absent, first : first + count] = math.sqrt(0.5) / count
                expected = (1 - 1 / count) / 2
            if column in self._absent:
                features[absent, self._absent[column]] = math.sqrt(expected)
        return features

    def moving(self, points: Array) -> NDArray[np.bool_]:
        """Return which of the `continuous` columns are active at `points`: (n, continuous)."""
        if self._space.conditions:
            return self._space.activity(points)[:, self.continuous]
        return np.ones((len(points), len(self.continuous)), dtype=bool)

    def move(self, features: Array, units: Array, moving: NDArray[np.bool_]) -> None:
        """Write `units`, shape (n, continuous), into the `continuous` columns of `features`.

        Args:
            moving: Where to write, as `moving` returns it.
        """
        columns = self._continuous_features
        features[:, columns] = np.where(moving, units, features[:, columns])

    def prior(self, features: Array) -> tuple[Array, Array]:
        """Return the log prior of the optimum's position, and its slopes: (m,) and (m, p).

        It multiplies an acquisition function, as in [Hvarfner2022]_. A surrogate that explains
        little has its largest deviations in the corners, and without the prior a search goes from
        corner to corner. A surrogate that explains much has larger differences than the prior.

        .. [Hvarfner2022] C. Hvarfner et al. piBO: augmenting acquisition functions with user
           beliefs for Bayesian optimization. ICLR 2022.
        """
        columns = self._ordered_features
        units = features[:, columns]
        low, high = np.exp(-units / EDGE_WIDTH), np.exp((units - 1) / EDGE_WIDTH)
        slopes = np.zeros_like(features)
        slopes[:, columns] = EDGE / EDGE_WIDTH * (low - high)
        return -EDGE * (low + high).sum(axis=1), slopes

    def pull_back(self, gradient: Array) -> Array:
        """Return slopes in the `continuous` columns from slopes in the features, shape (n,
        columns).
        """
        return gradient[:, self._continuous_features]
