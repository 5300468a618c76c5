"""``enas``: a whole network, layer by layer, by regularised evolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from suggestion.algorithms.nas.evolution import ATTEMPTS, Genes, Genome, Population
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import setting
from suggestion.numerics import streams
from suggestion.numerics.untried import Untried
from suggestion.problem.architectures import ArchitectureSpace
from suggestion.problem.errors import Violation
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

#: Sizes of a population, and of the sample that a parent is the best of; a short run has less.
POPULATION: Final = 20
SAMPLE: Final = 10
_FEWEST: Final = 6
#: Trials of an experiment for each place in its population.
_GENERATIONS: Final = 5

_NO_EFFECT: Final = "No effect: part of the LSTM controller of other servers, checked alone."
_MOST: Final = 1_000_000_000


@register("enas")
@dataclass(frozen=True, kw_only=True)
class Enas:
    """Search for a chain of layers with skip connections [Pham2018]_ by evolution [Real2019]_.

    The first suggestions are random architectures. Then one layer's operation, or one skip
    connection, of a good architecture is changed: of the best one in a random half of those that
    were evaluated last.

    Unlike [Pham2018]_, there is no LSTM controller, and trials share no weights, as on the usual
    servers. Its settings are accepted, since files for those servers hold them, and their ranges
    are checked; those of skip connections have an effect. ``suggest run`` and ``suggest validate``
    name the others.

    .. [Pham2018] H. Pham, M. Y. Guan, B. Zoph, Q. V. Le, J. Dean. Efficient neural architecture
       search via parameter sharing. ICML 2018.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.ARCHITECTURES})

    controller_hidden_size: int = setting(
        64, at_least=1, at_most=_MOST, help=_NO_EFFECT, unused=True
    )
    controller_temperature: float | None = setting(
        5.0, above=0, at_most=_MOST, help=_NO_EFFECT, unused=True
    )
    controller_tanh_const: float | None = setting(
        2.25, above=0, at_most=_MOST, help=_NO_EFFECT, unused=True
    )
    controller_entropy_weight: float | None = setting(
        1e-5, above=0, at_most=_MOST, help=_NO_EFFECT, unused=True
    )
    controller_baseline_decay: float = setting(
        0.999, above=0, at_most=1, help=_NO_EFFECT, unused=True
    )
    controller_learning_rate: float = setting(
        5e-5, above=0, at_most=1, help=_NO_EFFECT, unused=True
    )
    controller_skip_target: float = setting(
        0.4,
        above=0,
        at_most=1,
        help="Probability of each skip connection in random architectures.",
    )
    controller_skip_weight: float | None = setting(
        0.8,
        above=0,
        at_most=_MOST,
        help="None: skip connections are as probable as not, whatever the target.",
    )
    controller_train_steps: int = setting(
        50, at_least=1, at_most=_MOST, help=_NO_EFFECT, unused=True
    )
    controller_log_every_steps: int = setting(
        10, at_least=1, at_most=_MOST, help=_NO_EFFECT, unused=True
    )

    def violations(self, study: Study) -> Iterator[Violation]:
        """See `suggestion.engine.algorithm.Validates`."""
        if not isinstance(study.space, ArchitectureSpace):
            yield Violation(("space",), "algorithm 'enas' searches a nasConfig, got parameters")
            return
        for which in ("input_sizes", "output_sizes"):
            if not getattr(study.space.graph, which):
                rule = f"algorithm 'enas' needs the {which.replace('_', ' ')} of the network"
                yield Violation(("graph", which), f"{rule}, got none")

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        code = _Code(study, 0.5 if self.controller_skip_weight is None else self._skips)
        size = POPULATION
        if study.max_trial_count:
            size = min(max(study.max_trial_count // _GENERATIONS, _FEWEST), POPULATION)
        untried = Untried(study.space, streams.visited(study))
        population: Population | None = None
        suggestions: list[Assignment] = []
        for index in range(study.first_index, study.first_index + count):
            study.deadline.check()
            rng = streams.rng(study, index)
            if index >= size and study.observations:
                population = population or code.population(size)
                genomes = population.children(rng, code.genes)
            else:
                genomes = code.random(rng)
            proposals = map(code.decode, genomes)
            suggestions.append(untried.pick(proposals, study.seed, index))
        return suggestions

    @property
    def _skips(self) -> float:
        return self.controller_skip_target


class _Code:
    """Architectures as arrays of levels, and back.

    Args:
        study: Its space is one of architectures.
        skips: Probability of each skip connection in a random one.
    """

    def __init__(self, study: Study, skips: float) -> None:
        self._study, self._skips = study, skips
        space = study.space
        assert isinstance(space, ArchitectureSpace)
        self._parameters = space.parameters
        self._levels = np.array([parameter.levels for parameter in space.parameters])
        self._is_skip = np.array(space.are_skips)
        varies = self._levels > 1
        groups = [np.flatnonzero(varies & kind) for kind in (~self._is_skip, self._is_skip)]
        self.genes = Genes(self._levels.tolist(), [group.tolist() for group in groups])

    def random(self, rng: np.random.Generator) -> Iterator[Genome]:
        """Yield random architectures."""
        for _ in range(ATTEMPTS):
            drawn = rng.integers(self._levels)
            skips = rng.random(len(self._levels)) < self._skips
            yield np.where(self._is_skip, skips, drawn)

    def population(self, size: int) -> Population:
        """Return the `size` youngest architectures that were evaluated."""
        youngest = self._study.observations[-size:]
        genomes = [
            [p.level(trial.assignment[p.name]) for p in self._parameters] for trial in youngest
        ]
        sample = max(size * SAMPLE // POPULATION, 2)
        return Population(np.array(genomes), self._study.losses[-size:, 0], sample)

    def decode(self, genome: Genome) -> Assignment:
        """Return the assignment that `genome` stands for."""
        levels = genome.tolist()
        return {p.name: p.value(level) for p, level in zip(self._parameters, levels, strict=True)}
