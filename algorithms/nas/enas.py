"""``enas``: a whole network, layer by layer, by evolution or by an LSTM controller."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

import numpy as np

from suggestion.algorithms.nas.controller import (
    LEARNED,
    Training,
    most_steps,
    rewards_of,
    train,
)
from suggestion.algorithms.nas.evolution import ATTEMPTS, Genes, Genome, Population
from suggestion.algorithms.nas.goal import Goal
from suggestion.algorithms.nas.lstm import Network, Shape
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import describe, given_names, setting
from suggestion.numerics import streams
from suggestion.numerics.randomness import generator
from suggestion.numerics.untried import Untried
from suggestion.problem.architectures import ArchitectureSpace, Graph
from suggestion.problem.errors import Violation
from suggestion.problem.space import Assignment
from suggestion.problem.study import Observation, Study

#: Sizes of a population, and of the sample that a parent is the best of; a short run has less.
POPULATION: Final = 20
SAMPLE: Final = 10
_FEWEST: Final = 6
#: Trials of an experiment for each place in its population.
_GENERATIONS: Final = 5
#: Architectures that a controller writes at once, until one is new; few, since each needs memory.
_DRAWS: Final = (1, 7, *[8] * 7)
_Proposals: TypeAlias = Callable[[int], Iterator[Genome]]

_MOST: Final = 1_000_000_000
#: Units of the LSTM, and units times choices of a layer: 100 MiB have to be enough for a server.
_MOST_UNITS: Final = 200
_MOST_WEIGHTS: Final = 2**17


@register("enas")
@dataclass(frozen=True, kw_only=True)
class Enas:
    """Search for a chain of layers with skip connections, by evolution or by an LSTM controller.

    Evolution [Real2019]_: the first suggestions are random architectures. Then one layer's
    operation, or one skip connection, of a good architecture is changed: of the best one in a
    random half of those that were evaluated last.

    Controller [Pham2018]_: an LSTM writes architectures, and learns from those evaluated by policy
    gradient. Unlike the paper, trials share no weights, as on the usual servers; and the LSTM is
    trained anew in each request, on its trials in their order.

    .. [Pham2018] H. Pham, M. Y. Guan, B. Zoph, Q. V. Le, J. Dean. Efficient neural architecture
       search via parameter sharing. ICML 2018.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.ARCHITECTURES})

    search: Literal["auto", "evolution", "controller"] = setting(
        "auto",
        help="How architectures are found. auto: by a controller if one of its settings is given, "
        "any of those below but the target of skip connections; else by evolution.",
    )
    controller_hidden_size: int = setting(
        64, at_least=1, at_most=_MOST_UNITS, help="Units of the LSTM."
    )
    controller_temperature: float | None = setting(
        5.0, above=0, at_most=_MOST, help="What logits are divided by. None: 1."
    )
    controller_tanh_const: float | None = setting(
        2.25,
        above=0,
        at_most=_MOST,
        help="c, where a logit x becomes c tanh(x), which bounds it. None: it stays x.",
    )
    controller_entropy_weight: float | None = setting(
        1e-5,
        above=0,
        at_most=_MOST,
        help="Weight of the entropy of an architecture's decisions in what is maximised. None: 0.",
    )
    controller_baseline_decay: float = setting(
        0.999,
        above=0,
        at_most=1,
        help="Share of the baseline that is left after a step; the rest is the step's reward.",
    )
    controller_learning_rate: float = setting(5e-5, above=0, at_most=1, help="Of Adam.")
    controller_skip_target: float = setting(
        0.4,
        above=0,
        at_most=1,
        help="Probability of each skip connection: with evolution, in random architectures; "
        "with a controller, the one that a penalty draws to.",
    )
    controller_skip_weight: float | None = setting(
        0.8,
        above=0,
        at_most=_MOST,
        help="Weight of the divergence of skip connections from their target. None: 0.",
    )
    controller_train_steps: int = setting(
        50, at_least=1, at_most=10_000, help="Gradient steps for each trial, or group of trials."
    )
    controller_log_every_steps: int = setting(
        10,
        at_least=1,
        at_most=_MOST,
        help="Steps between two lines of the log: loss, baseline, entropy.",
    )
    given: frozenset[str] = given_names()

    def violations(self, study: Study) -> Iterator[Violation]:
        """See `suggestion.engine.algorithm.Validates`."""
        if not isinstance(study.space, ArchitectureSpace):
            yield Violation(("space",), "algorithm 'enas' searches a nasConfig, got parameters")
            return
        for which in ("input_sizes", "output_sizes"):
            if not getattr(study.space.graph, which):
                rule = f"algorithm 'enas' needs the {which.replace('_', ' ')} of the network"
                yield Violation(("graph", which), f"{rule}, got none")
        if self.search == "evolution":
            yield from self._misplaced()
        if self._decided_by_controller:
            yield from self._too_large(study.space.graph)

    def advice(self) -> Iterator[tuple[str, str]]:
        """See `suggestion.engine.algorithm.Advises`."""
        for name in self._of_controller[:1] if self.search == "auto" else ():
            yield (
                name,
                f"setting {name!r} makes algorithm 'enas' search with an LSTM controller, which "
                "found no better networks than evolution in our measurements and takes longer; "
                "without settings of a controller it searches by evolution",
            )
        target = "controller_skip_target"
        unweighted = self._decided_by_controller and self.controller_skip_weight is None
        if unweighted and target in self.given:
            yield target, f"setting {target!r} has no effect with controller_skip_weight None"

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        code = Code(study)
        way = self._controller if self._decided_by_controller else self._evolution
        genomes = way(study, code)
        untried = Untried(study.space, streams.visited(study))
        suggestions: list[Assignment] = []
        for index in range(study.first_index, study.first_index + count):
            study.deadline.check()
            proposals = map(code.decode, genomes(index))
            suggestions.append(untried.pick(proposals, study.seed, index))
        return suggestions

    @property
    def _of_controller(self) -> list[str]:
        """The settings that were given and only a controller has, in the order of the fields."""
        names = [each.name for each in describe(type(self)) if each.name in self.given]
        return [name for name in names if name not in ("search", "controller_skip_target")]

    @property
    def _decided_by_controller(self) -> bool:
        return self.search == "controller" or (self.search == "auto" and bool(self._of_controller))

    def _misplaced(self) -> Iterator[Violation]:
        for name in self._of_controller:
            rule = "has no effect with search 'evolution', and must be left out"
            text = f"setting {name!r} {rule}, got {getattr(self, name)}"
            yield Violation(("settings", name), text)

    def _too_large(self, graph: Graph) -> Iterator[Violation]:
        choices, units = len(graph.choices), self.controller_hidden_size
        if units * choices > _MOST_WEIGHTS:
            name = "controller_hidden_size"
            rule = f"must be at most {_MOST_WEIGHTS // choices} with {choices} choices of a layer"
            yield Violation(("settings", name), f"setting {name!r} {rule}, got {units}")
            return
        most = most_steps(Shape(graph.layers, choices), units)
        if self.controller_train_steps > most:
            name = "controller_train_steps"
            rule = f"must be at most {most} with {graph.layers} layers and {units} units"
            text = f"setting {name!r} {rule}, which have to be trained within the time of a request"
            yield Violation(("settings", name), f"{text}, got {self.controller_train_steps}")

    def _evolution(self, study: Study, code: Code) -> _Proposals:
        size = POPULATION
        if study.max_trial_count:
            size = min(max(study.max_trial_count // _GENERATIONS, _FEWEST), POPULATION)
        population: Population | None = None

        def proposals(index: int) -> Iterator[Genome]:
            nonlocal population
            rng = streams.rng(study, index)
            if index < size or not study.observations:
                return code.random(rng, self.controller_skip_target)
            population = population or code.population(size)
            return population.children(rng, code.genes)

        return proposals

    def _controller(self, study: Study, code: Code) -> _Proposals:
        goal = Goal(
            self.controller_hidden_size,
            self.controller_temperature,
            self.controller_tanh_const,
            self.controller_entropy_weight,
            self.controller_skip_target,
            self.controller_skip_weight,
        )
        training = Training(
            self.controller_train_steps,
            self.controller_learning_rate,
            self.controller_baseline_decay,
            self.controller_log_every_steps,
        )
        network = Network.initial(code.shape, goal, generator(study.seed, "controller"))
        if study.observations:
            rewards = rewards_of(study.losses[-LEARNED:, 0])
            genomes = code.genomes(study.observations[-LEARNED:])
            train(network, training, genomes, rewards, study.name, study.deadline.check)

        def proposals(index: int) -> Iterator[Genome]:
            rng = streams.rng(study, index)
            for size in _DRAWS:
                yield from network.sample(rng.random((size, code.shape.decisions)))

        return proposals


class Code:
    """Architectures as arrays of levels, and back.

    Args:
        study: Its space is one of architectures.

    Attributes:
        genes: What evolution changes.
        shape: What a controller writes.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        space = study.space
        assert isinstance(space, ArchitectureSpace)
        self.shape = Shape(space.graph.layers, len(space.graph.choices))
        self._parameters = space.parameters
        self._levels = np.array([parameter.levels for parameter in space.parameters])
        self._is_skip = np.array(space.are_skips)
        varies = self._levels > 1
        groups = [np.flatnonzero(varies & kind) for kind in (~self._is_skip, self._is_skip)]
        self.genes = Genes(self._levels.tolist(), [group.tolist() for group in groups])

    def random(self, rng: np.random.Generator, likely: float) -> Iterator[Genome]:
        """Yield random architectures, in which each skip connection is so likely."""
        for _ in range(ATTEMPTS):
            drawn = rng.integers(self._levels)
            skips = rng.random(len(self._levels)) < likely
            yield np.where(self._is_skip, skips, drawn)

    def population(self, size: int) -> Population:
        """Return the `size` youngest architectures that were evaluated."""
        genomes = self.genomes(self._study.observations[-size:])
        sample = max(size * SAMPLE // POPULATION, 2)
        return Population(genomes, self._study.losses[-size:, 0], sample)

    def genomes(self, trials: Sequence[Observation]) -> Genome:
        """Return the architectures of n `trials`, shape (n, number of parameters)."""
        parameters = self._parameters
        return np.array([[p.level(t.assignment[p.name]) for p in parameters] for t in trials])

    def decode(self, genome: Genome) -> Assignment:
        """Return the assignment that `genome` stands for."""
        levels = genome.tolist()
        return {p.name: p.value(level) for p, level in zip(self._parameters, levels, strict=True)}
