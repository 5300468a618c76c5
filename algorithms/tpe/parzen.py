"""A Parzen estimator on the unit cube: a mixture of the prior and one kernel around each point.

A kernel is a product over parameters of

- a Gaussian truncated to [0, 1], where the parameter is continuous;
- the same integrated over the cells of the values, where they are few and ordered;
- a point mass mixed with the uniform distribution, where they are unordered.

All densities are relative to the prior, which is uniform in the unit cube: its density is 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.numerics import normal
from suggestion.problem.parameters import Array, Parameter

#: A lattice of more values than this is modelled as continuous, and points are rounded to it.
MOST_TABULATED: Final = 64
#: Least bandwidth, as a share of the range [Bergstra2013]_.
NARROWEST: Final = 0.01
_TINY: Final = 1e-300
_FLAT: Final = 1e3  # a bandwidth at which a kernel is the prior
_MOST_ELEMENTS: Final = 2**20  # of a matrix of kernels at points

Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Axis:
    """Describe one parameter to the estimator.

    Attributes:
        ends: Ends of the cells of its values, shape (levels + 1,); None if modelled as continuous.
        ordered: Whether its values are ordered.
        narrowest: The least bandwidth.
    """

    ends: Array | None
    ordered: bool
    narrowest: float

    @classmethod
    def of(cls, parameter: Parameter) -> Axis:
        levels = parameter.levels
        if levels is None:
            return cls(None, True, NARROWEST)
        if parameter.ordered and levels > MOST_TABULATED:
            return cls(None, True, max(NARROWEST, 0.5 / levels))
        _, upper = parameter.cells(np.arange(levels, dtype=np.int64))
        return cls(np.concatenate([[0.0], upper]), parameter.ordered, NARROWEST)

    def levels(self, units: Array) -> Integers:
        """Return the values in whose cells `units`, shape (n,), lie."""
        assert self.ends is not None
        return np.clip(np.searchsorted(self.ends, units, side="right") - 1, 0, self.count - 1)

    @property
    def count(self) -> int:
        assert self.ends is not None
        return len(self.ends) - 1


class _Kernels(Protocol):
    """The kernels of a parameter with finitely many values, one for each of n centres."""

    def log_densities(self, levels: Integers) -> Array:
        """Return the density of each kernel at `levels`, relative to the prior: (m, n)."""
        ...

    def mixed(self, shares: Array) -> Array:
        """Return the sum of all kernels, weighted by `shares` (n,), at every value."""
        ...

    def sample(self, kernels: Integers, units: Array) -> Integers:
        """Return the values at quantiles `units` of the kernels of centres `kernels`."""
        ...


class _Ordered:
    """Gaussians integrated over the cells of few values.

    Args:
        axis: The parameter.
        centres: Shape (n,).
        widths: Their bandwidths.
    """

    def __init__(self, axis: Axis, centres: Array, widths: Array) -> None:
        assert axis.ends is not None
        pairs = centres + 1j * widths  # equal kernels are computed once
        different, self._column = np.unique(pairs, return_inverse=True)
        below = normal.cdf((axis.ends[:, None] - different.real) / different.imag)
        masses = np.maximum(np.diff(below, axis=0), _TINY)
        masses /= masses.sum(axis=0)
        self._masses = masses
        self._log_densities = np.log(masses / np.diff(axis.ends)[:, None])

    def log_densities(self, levels: Integers) -> Array:
        return self._log_densities[levels][:, self._column]

    def mixed(self, shares: Array) -> Array:
        kernels = self._log_densities.shape[1]
        summed = np.bincount(self._column, shares, minlength=kernels)
        densities: Array = np.exp(self._log_densities) @ summed
        return densities

    def sample(self, kernels: Integers, units: Array) -> Integers:
        cumulative = np.cumsum(self._masses[:, self._column[kernels]], axis=0)
        found: Integers = np.minimum((units >= cumulative).sum(axis=0), len(cumulative) - 1)
        return found


class _Unordered:
    """For each category 1 on itself plus `spread` on every one, normalised.

    In memory linear in the number of categories: a kernel has only two different values.

    Args:
        axis: The parameter.
        centres: Shape (n,).
        spread: Positive.
    """

    def __init__(self, axis: Axis, centres: Array, spread: float) -> None:
        self._count = axis.count
        self._lacking = np.isnan(centres)
        self._level = axis.levels(np.nan_to_num(centres))
        total = 1 + self._count * spread
        self._same, self._other = (1 + spread) / total, spread / total
        self._log_same, self._log_other = (
            math.log(max(mass, _TINY) * self._count) for mass in (self._same, self._other)
        )

    def log_densities(self, levels: Integers) -> Array:
        same = levels[:, None] == self._level
        logs = np.where(same, self._log_same, self._log_other)
        logs[:, self._lacking] = 0.0
        return logs

    def mixed(self, shares: Array) -> Array:
        own = np.bincount(self._level, shares, minlength=self._count)
        same, other = math.exp(self._log_same), math.exp(self._log_other)
        densities: Array = other * shares.sum() + (same - other) * own
        return densities

    def sample(self, kernels: Integers, units: Array) -> Integers:
        # All categories but the kernel's own have one mass.
        own, other = self._level[kernels], max(self._other, _TINY)
        start = own * other
        after = own + 1 + (units - start - self._same) // other
        levels = np.where(units < start, units // other, after)
        levels = np.where((units >= start) & (units < start + self._same), own, levels)
        levels = np.where(self._lacking[kernels], np.floor(units * self._count), levels)
        found: Integers = np.clip(levels, 0, self._count - 1).astype(np.int64)
        return found


def bandwidths(centres: Array, narrowest: float) -> Array:
    """Return the distance to the farther of both neighbours, clipped; shape (n,).

    The rule of [Bergstra2011]_, section 4. Unlike the paper, and better since [Watanabe2023]_, the
    outermost points use their one neighbour and not the end of the range, and no bandwidth is below
    1 / (n + 2).
    """
    count = len(centres)
    order = np.argsort(centres, kind="stable")
    fence = np.concatenate([[0.0], centres[order], [1.0]])
    gaps = np.diff(fence)
    wide = np.maximum(gaps[:-1], gaps[1:])
    if count >= 2:
        wide[0], wide[-1] = gaps[1], gaps[-2]
    found = np.empty(count)
    found[order] = wide
    return np.clip(found, max(narrowest, 1 / (count + 2)), 1.0)


class Parzen:
    """The mixture of the prior and one kernel around each of `centres`.

    Args:
        axes: The parameters, d of them.
        centres: Points of the unit cube, shape (n, d); n may be 0. Where one lacks a parameter
            (NaN), its kernel is the prior.
        weights: Weights of the kernels, shape (n,), positive.
        prior_weight: Weight of the prior.
    """

    def __init__(
        self, axes: Sequence[Axis], centres: Array, weights: Array, prior_weight: float
    ) -> None:
        self._axes = tuple(axes)
        self.centres = centres
        count = len(centres)
        shares = np.append(weights, prior_weight)
        self._shares = shares / shares.sum()
        self._log_shares = np.log(np.maximum(self._shares, _TINY))
        self._smooth = [k for k, axis in enumerate(axes) if axis.ends is None]
        self._tables: dict[int, _Kernels] = {}
        self._widths = np.empty((count, len(self._axes)))
        for k, axis in enumerate(self._axes):
            lacking = np.isnan(centres[:, k])
            if axis.ordered:
                known = centres[~lacking, k]
                self._widths[~lacking, k] = bandwidths(known, axis.narrowest)
                self._widths[lacking, k] = _FLAT
            if axis.ends is not None:
                self._tables[k] = (
                    _Ordered(axis, np.nan_to_num(centres[:, k], nan=0.5), self._widths[:, k])
                    if axis.ordered
                    else _Unordered(axis, centres[:, k], prior_weight / (count + 1))
                )
        middles, widths = centres[:, self._smooth], self._widths[:, self._smooth]
        middles = np.nan_to_num(middles, nan=0.5)
        self._below, up_to_one = normal.cdf(np.stack([-middles / widths, (1 - middles) / widths]))
        self._inside = up_to_one - self._below
        log_areas = np.log(math.sqrt(2 * math.pi) * widths * self._inside).sum(axis=1)
        # The exponent -sum((x - m)^2 / (2 w^2)) as x^2 A + x B + c: two matrix products.
        self._square = (-0.5 / widths**2).T
        self._linear = (middles / widths**2).T
        self._constant = -0.5 * ((middles / widths) ** 2).sum(axis=1) - log_areas

    def log_density(self, points: Array) -> Array:
        """Return logarithms of the density, relative to the prior, at `points` (m, d);
        shape (m,).

        Where a point lacks a parameter (NaN), the density is that of the others.
        """
        if len(self._axes) == 1 and self._tables:
            return self._of_levels()[self._axes[0].levels(points[:, 0])]
        count = len(self.centres)
        rows = max(_MOST_ELEMENTS // (count + 1), 1)
        if len(points) > rows:  # in parts, for memory
            parts = [points[first : first + rows] for first in range(0, len(points), rows)]
            return np.concatenate([self.log_density(part) for part in parts])
        exponents = np.zeros((len(points), count + 1))
        lacking = np.isnan(points)
        if lacking.any():
            exponents[:, :count] = self._one_by_one(np.nan_to_num(points), lacking)
        elif self._smooth:
            x = points[:, self._smooth]
            gaussian = (x * x) @ self._square
            gaussian += x @ self._linear
            gaussian += self._constant
            exponents[:, :count] = gaussian
        for k, table in self._tables.items():
            if not lacking.any():
                exponents[:, :count] += table.log_densities(self._axes[k].levels(points[:, k]))
        exponents += self._log_shares
        top = exponents.max(axis=1)
        exponents -= top[:, None]
        logs: Array = top + np.log(np.exp(exponents, out=exponents).sum(axis=1))
        return logs

    def _one_by_one(self, points: Array, lacking: NDArray[np.bool_]) -> Array:
        """Return log densities of the kernels (m, n) at `points`, parameters apart."""
        logs = np.zeros((len(points), len(self.centres)))
        for column, k in enumerate(self._smooth):
            x = points[:, k, None]
            middles = np.nan_to_num(self.centres[:, k], nan=0.5)
            widths = self._widths[:, k]
            area = np.log(math.sqrt(2 * math.pi) * widths * self._inside[:, column])
            own = -0.5 * ((x - middles) / widths) ** 2 - area
            logs += np.where(lacking[:, k, None], 0.0, own)
        for k, table in self._tables.items():
            own = table.log_densities(self._axes[k].levels(points[:, k]))
            logs += np.where(lacking[:, k, None], 0.0, own)
        return logs

    def _of_levels(self) -> Array:
        """Return the log densities of all values of the only parameter; equal kernels are counted
        together.
        """
        logs: Array = np.log(self._tables[0].mixed(self._shares[:-1]) + self._shares[-1])
        return logs

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Return independent draws, shape (count, d)."""
        chosen = np.searchsorted(np.cumsum(self._shares), rng.random(count), side="right")
        points = rng.random((count, len(self._axes)))  # draws from the prior
        rows = np.flatnonzero(chosen < len(self.centres))
        kernels = chosen[rows]
        for column, k in enumerate(self._smooth):
            middles = np.nan_to_num(self.centres[kernels, k], nan=0.5)
            widths = self._widths[kernels, k]
            inside = self._inside[kernels, column]
            shares = self._below[kernels, column] + points[rows, k] * inside
            drawn = middles + widths * normal.quantile(np.clip(shares, 1e-15, 1 - 1e-15))
            points[rows, k] = np.clip(drawn, 0.0, 1.0)
        for k, table in self._tables.items():
            levels = table.sample(kernels, points[rows, k])
            axis = self._axes[k]
            assert axis.ends is not None
            middle = (axis.ends[:-1] + axis.ends[1:]) / 2
            points[rows, k] = middle[levels]
        return points
