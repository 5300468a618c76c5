"""Regularised evolution of points whose parameters are categories.

.. [Real2019] E. Real, A. Aggarwal, Y. Huang, Q. V. Le. Regularized evolution for image classifier
   architecture search. AAAI 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

#: A point: for each category its level.
Genome: TypeAlias = NDArray[np.int64]

#: Children that are made until one is new.
ATTEMPTS: Final = 64


@dataclass(frozen=True, slots=True)
class Genes:
    """The parameters of a point, in groups that are as likely to mutate as one another.

    Attributes:
        levels: Number of values of each parameter.
        groups: Places of the parameters that can have several values; operations and skip
            connections, say.
    """

    levels: Sequence[int]
    groups: Sequence[Sequence[int]]

    def mutated(self, rng: np.random.Generator, parent: Genome) -> Genome:
        """Return `parent` with another value for one parameter; of a random group."""
        child = parent.copy()
        groups = [group for group in self.groups if group]
        if groups:
            group = groups[int(rng.integers(len(groups)))]
            place = group[int(rng.integers(len(group)))]
            level = int(rng.integers(self.levels[place] - 1))
            child[place] = level + (level >= parent[place])
        return child


@dataclass(frozen=True, slots=True)
class Population:
    """The youngest points that were evaluated, n of them, the oldest first.

    Attributes:
        genomes: Shape (n, number of parameters).
        losses: Shape (n,); lower is better.
        sample: Number of them of which the best one is a parent.
    """

    genomes: Genome
    losses: Array
    sample: int

    def children(self, rng: np.random.Generator, genes: Genes) -> Iterator[Genome]:
        """Yield mutated parents: algorithm 1 of [Real2019]_, from the sample to the child."""
        count = len(self.losses)
        for _ in range(ATTEMPTS):
            sample = rng.choice(count, size=min(self.sample, count), replace=False)
            parent = self.genomes[sample[np.argmin(self.losses[sample])]]
            yield genes.mutated(rng, parent)
