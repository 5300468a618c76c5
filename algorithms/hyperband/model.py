"""The model of BOHB: densities of the good and of the bad configurations."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.hyperband.rungs import MARKS, Configuration, Key, Subspace
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace

# The defaults of [Falkner2018]_, appendix: q, rho, N_s, b_w and the least bandwidth.
_GOOD: Final = 0.15
_RANDOM: Final = 1 / 3
_CANDIDATES: Final = 64
_WIDENED: Final = 3.0
_LEAST_BANDWIDTH: Final = 1e-3
_REDRAWS: Final = 16
# Largest number of configurations in the model, chosen evenly by rank; and the largest number of
# kernels computed for one reply, which takes up to half a minute of CPU time.
_MOST_POINTS: Final = 1000
_MOST_KERNELS: Final = 1_000_000


@dataclass(frozen=True)
class Density:
    """A kernel density estimate on the unit cube: a product of one kernel for each parameter.

    Ordered parameters have Gaussian kernels truncated to [0, 1], unordered ones the kernel of
    Aitchison and Aitken.

    Attributes:
        points: Shape (n, d).
        widths: Standard deviations, or probabilities of another category; shape (d,).
        categories: Numbers of categories, 0 for ordered parameters; shape (d,).
    """

    points: Array
    widths: Array
    categories: NDArray[np.int64]

    @staticmethod
    def fit(points: Array, categories: NDArray[np.int64]) -> Density:
        """Fit bandwidths by the normal reference rule, 1.06 * deviation * n^(-1/(4+d)).

        Unlike the paper, which applies it to the numbers of categories as well, the width of an
        unordered parameter falls from 1 - 1/k, that of the uniform distribution on k categories,
        as n^(-2/(4+d)).
        """
        n, d = points.shape
        deviations = points.std(axis=0, ddof=1) if n > 1 else np.full(d, 1.0)
        widths = np.maximum(1.06 * deviations * n ** (-1 / (4 + d)), _LEAST_BANDWIDTH)
        uniform = 1 - 1 / np.maximum(categories, 1)
        shrinking = uniform * n ** (-2 / (4 + d))
        return Density(points, np.where(categories > 0, shrinking, widths), categories)

    def log(self, at: Array) -> Array:
        """Return logarithms of the density at `at`, shape (m, d); the result has shape (m,)."""
        n, d = self.points.shape
        logs = np.zeros((len(at), n))
        for column in range(d):
            here, there = at[:, column, None], self.points[None, :, column]
            width, count = self.widths[column], int(self.categories[column])
            if count:
                other = width / max(count - 1, 1)
                same = np.abs(here - there) * count < 1 / 2  # coordinates are middles of cells
                with np.errstate(divide="ignore"):
                    logs += np.log(np.where(same, 1 - width, other))
            else:
                mass = _mass((1 - there) / width) - _mass(-there / width)
                logs += -(((here - there) / width) ** 2) / 2 - np.log(width * mass)
        largest = logs.max(axis=1, keepdims=True)
        largest[~np.isfinite(largest)] = 0.0
        with np.errstate(divide="ignore"):
            found: Array = np.log(np.exp(logs - largest).sum(axis=1) / n) + largest[:, 0]
        return np.maximum(found, -1e3)  # far from all points both densities count as equally small

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Draw points, shape (count, d), from the density with widened kernels."""
        n, d = self.points.shape
        centres = self.points[rng.integers(n, size=count)]
        found = centres.copy()
        for column in range(d):
            width, categories = self.widths[column], int(self.categories[column])
            if categories:
                moved = rng.random(count) < width
                any_one = (rng.integers(categories, size=count) + 0.5) / categories
                found[:, column] = np.where(moved, any_one, centres[:, column])
                continue
            outside = np.ones(count, dtype=bool)
            for _ in range(_REDRAWS):
                steps = rng.normal(size=count) * width * _WIDENED
                found[:, column] = np.where(outside, centres[:, column] + steps, found[:, column])
                outside = (found[:, column] < 0) | (found[:, column] > 1)
            found[:, column] = np.clip(found[:, column], 0, 1)
        return found


def _mass(deviations: Array) -> Array:
    """Return the normal distribution function of an array of any shape."""
    flat = [math.erfc(-x / math.sqrt(2)) / 2 for x in deviations.ravel().tolist()]
    return np.array(flat).reshape(deviations.shape)


@dataclass(frozen=True)
class Model:
    """Densities l of the good and g of the other configurations at one resource [Falkner2018]_.

    .. [Falkner2018] S. Falkner, A. Klein, F. Hutter. BOHB: robust and efficient hyperparameter
       optimization at scale. ICML 2018.
    """

    space: SearchSpace
    good: Density
    bad: Density

    @staticmethod
    def fit(
        space: SearchSpace | None, configurations: Iterable[Configuration], top: int
    ) -> Model | None:
        """Fit the model at the highest resource with enough results; None if there is none.

        Each of l and g needs d + 1 = N_min results. Unlike the paper, where N_min + 2 results are
        enough because l and g may share configurations, they share none. Also unlike the paper, the
        least of several resources has no model, since the best configuration after so little may
        be bad in the end.

        Failed configurations are the worst of their rung.
        """
        if space is None:
            return None
        configurations = list(configurations)
        least = space.dimension + 1  # N_min
        for level in range(top, min(1, top) - 1, -1):
            known = [c for c in configurations if level in c.levels and level not in c.pending]
            observed = sorted((c for c in known if level in c.losses), key=lambda c: c.rank(level))
            failed = sorted((c for c in known if level not in c.losses), key=lambda c: str(c.key))
            ranked = observed + failed
            good = max(least, int(_GOOD * len(ranked)))  # Eq. (3)
            if len(ranked) < good + least or len(observed) <= good:
                continue
            if len(ranked) > _MOST_POINTS:
                rows = np.linspace(0, len(ranked) - 1, _MOST_POINTS).astype(int)
                ranked, good = [ranked[k] for k in rows], int(np.sum(rows < good))
            points = space.encode([c.assignment for c in ranked])
            categories = np.array([0 if p.ordered else p.levels for p in space.parameters])
            return Model(
                space,
                Density.fit(points[:good], categories),
                Density.fit(points[good:], categories),
            )
        return None

    @property
    def most_samples(self) -> int:
        """Number of samples for one reply that fit into the time of a request."""
        kernels = (len(self.good.points) + len(self.bad.points)) * self.space.dimension
        return max(_MOST_KERNELS // kernels, 1)

    def sample(
        self,
        rng: np.random.Generator,
        subspace: Subspace,
        mark: int | None,
        taken: Collection[Key],
    ) -> Assignment | None:
        """Return the candidate with the largest l/g, or None to draw at random.

        Args:
            mark: The required `Subspace.mark`; None for any.
            taken: Configurations that are excluded.
        """
        if rng.random() < _RANDOM:
            return None
        count = _CANDIDATES * (1 if mark is None else MARKS)
        points = self.space.snap(self.good.sample(rng, count))
        assignments = self.space.decode(points)
        keys = [subspace.key(assignment) for assignment in assignments]
        wanted = [
            index
            for index, key in enumerate(keys)
            if key not in taken
            and mark in (None, subspace.mark(key))
            and self.space.feasible(assignments[index])
        ]
        if not wanted:
            return None
        gains = self.good.log(points[wanted]) - self.bad.log(points[wanted])
        return assignments[wanted[int(np.argmax(gains))]]
