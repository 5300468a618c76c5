"""Crossover and mutation in the unit cube, for numbers and categories.

A gene is a coordinate of the unit cube, in which every prior is uniform; NaN where a parameter is
inactive.

.. [DebAgrawal1995] K. Deb, R. B. Agrawal. Simulated binary crossover for continuous search space.
   Complex Systems 9, 1995.
.. [DebGoyal1996] K. Deb, M. Goyal. A combined genetic adaptive search (GeneAS) for engineering
   design. Computer Science and Informatics 26(4), 1996.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from suggestion.problem.parameters import Array, Parameter

#: A lattice of more values than this is treated as continuous: a mutation moves by one value or
#: more on all others.
MOST_LEVELS: Final = 1024
_SAME: Final = 1e-14


@dataclass(frozen=True, slots=True)
class Gene:
    """Describe one parameter to the operators.

    Attributes:
        ordered: Whether it is a number.
        middles: Middles of the cells of its values, shape (levels,); None where it is treated as
            continuous.
    """

    ordered: bool
    middles: Array | None

    @classmethod
    def of(cls, parameter: Parameter) -> Gene:
        levels = parameter.levels
        if levels is None or (parameter.ordered and levels > MOST_LEVELS):
            return cls(True, None)
        low, high = parameter.cells(np.arange(levels, dtype=np.int64))
        return cls(parameter.ordered, (low + high) / 2)


@dataclass(frozen=True, slots=True)
class Variation:
    """Make a child of two parents.

    Attributes:
        genes: The parameters, d of them.
        crossover_probability: Probability that the parents are crossed at all.
        mutation_probability: Probability that a gene is changed.
        eta_c, eta_m: Distribution indices: the larger, the nearer to the parents.
    """

    genes: Sequence[Gene]
    crossover_probability: float
    mutation_probability: float
    eta_c: float
    eta_m: float

    def child(self, rng: np.random.Generator, first: Array, second: Array) -> Array:
        """Return a child of parents of shape (d,), with a value for every gene.

        A gene that a parent lacks comes from the other one; one that both lack is drawn from the
        prior.
        """
        one = np.where(np.isnan(first), second, first)
        other = np.where(np.isnan(second), first, second)
        drawn = rng.random(len(one))
        lacking = np.isnan(one)
        one, other = np.where(lacking, drawn, one), np.where(lacking, drawn, other)
        made = one.copy()
        if rng.random() < self.crossover_probability:
            crossed = rng.random(len(one)) < 0.5  # section 4 of [DebAgrawal1995]_
            for k, gene in enumerate(self.genes):
                u, side = rng.random(2)
                if crossed[k]:
                    made[k] = (
                        simulated_binary(one[k], other[k], u, side, self.eta_c)
                        if gene.ordered
                        else (one[k] if side < 0.5 else other[k])
                    )
        mutated = rng.random(len(one)) < self.mutation_probability
        for k, gene in enumerate(self.genes):
            u = rng.random()
            if mutated[k]:
                made[k] = self._mutated(gene, made[k], u)
        return made

    def _mutated(self, gene: Gene, value: float, u: float) -> float:
        if gene.middles is None:
            return polynomial(value, u, self.eta_m)
        count = len(gene.middles)
        if count == 1:
            return value
        before = int(np.argmin(np.abs(gene.middles - value)))
        if not gene.ordered:  # one of the other categories
            after = int(u * (count - 1))
            return float(gene.middles[after + (after >= before)])
        moved = polynomial(value, u, self.eta_m)
        after = int(np.argmin(np.abs(gene.middles - moved)))
        if after == before:
            step = 1 if u >= 0.5 else -1
            after = before + step if 0 <= before + step < count else before - step
        return float(gene.middles[after])


def simulated_binary(one: float, other: float, u: float, side: float, eta: float) -> float:
    """Return a child of two numbers in [0, 1] by simulated binary crossover [DebAgrawal1995]_.

    The spread of the children has the polynomial distribution of eq. (4), cut off at the ends of
    the range.

    Args:
        u: Uniform in [0, 1); decides about the spread.
        side: Uniform in [0, 1); decides which of both children it is.
        eta: Distribution index.
    """
    low, high = min(one, other), max(one, other)
    distance = high - low
    if distance < _SAME:
        return one
    below = side < 0.5
    room = low if below else 1 - high
    alpha = 2 - (1 + 2 * room / distance) ** -(eta + 1)
    if u <= 1 / alpha:
        spread = (u * alpha) ** (1 / (eta + 1))
    else:
        spread = (1 / (2 - u * alpha)) ** (1 / (eta + 1))
    found = (low + high + (-spread if below else spread) * distance) / 2
    return float(min(max(found, 0.0), 1.0))


def polynomial(value: float, u: float, eta: float) -> float:
    """Return a number in [0, 1] near `value` by polynomial mutation [DebGoyal1996]_.

    Args:
        u: Uniform in [0, 1): less than 1/2 goes down.
        eta: Distribution index.
    """
    power = 1 / (eta + 1)
    if u < 0.5:
        shift = (2 * u + (1 - 2 * u) * (1 - value) ** (eta + 1)) ** power - 1
    else:
        shift = 1 - (2 * (1 - u) + (2 * u - 1) * value ** (eta + 1)) ** power
    return float(min(max(value + shift, 0.0), 1.0))
