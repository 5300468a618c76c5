"""Population based training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from suggestion.algorithms.pbt import checkpoints, names
from suggestion.algorithms.pbt.names import Place
from suggestion.algorithms.pbt.population import Parent, Population
from suggestion.engine.algorithm import Ability, register
from suggestion.engine.recommending import Recommendation
from suggestion.engine.settings import REQUIRED, setting
from suggestion.numerics import sampling, streams
from suggestion.problem.errors import Violation, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter, Value
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Study, Suggestion

_FACTORS = (0.8, 1.2)  # factors of a perturbed number; section 4.1 of the paper
_ATTEMPTS = 16
_LABELS = "pbt.suggestion.katib.kubeflow.org"


@register("pbt")
@dataclass(frozen=True, kw_only=True)
class Pbt:
    """Train a population whose worst members continue from copies of its best [Jaderberg2017]_.

    A trial is one generation of one member: it continues training from the checkpoint in its
    folder, and leaves one there. When every member of a generation has a result, the next begins:
    each of the worst members copies the parameters and the checkpoint of one of the best (exploit),
    the others continue from their own checkpoint with perturbed or resampled parameters (explore).

    Generation, member and parent are part of a trial's name, which comes back with its result. A
    failed member is suggested again, with the same parent. While a generation is incomplete,
    further suggestions are for members without a result, with the same parents: the first result
    completes a member, and the best one counts.

    Unlike the paper, where the best members keep their parameters and the copies are perturbed, the
    copies keep them and the originals are perturbed; both continue from the same checkpoint.

    .. [Jaderberg2017] M. Jaderberg et al. Population based training of neural networks.
       arXiv:1711.09846, 2017.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {Ability.CONDITIONS, Ability.PARAMETER_CONSTRAINTS}
    )

    suggestion_trial_dir: str = setting(
        REQUIRED,
        help="Folder of the checkpoints in a trial; without SUGGEST_DATA_DIR also in the server.",
    )
    n_population: int = setting(
        REQUIRED, at_least=5, at_most=10_000, help="Number of members of a generation."
    )
    truncation_threshold: float = setting(
        REQUIRED,
        at_least=0,
        at_most=1,
        help="Share of the worst members, which copy as many of the best; above 0.5 means 0.5.",
    )
    resample_probability: float | None = setting(
        None,
        at_least=0,
        at_most=1,
        help="Probability of resampling a parameter; otherwise it is multiplied by 0.8 or 1.2.",
    )

    def violations(self, study: Study) -> Iterator[Violation]:
        if not checkpoints.is_folder_name(study.name):
            yield Violation(
                ("name",),
                "experiment name must be a valid folder name for algorithm 'pbt', got "
                f"{quote(study.name)}",
            )
            return
        data = checkpoints.root(self.suggestion_trial_dir)
        if reason := checkpoints.obstacle(data, study.name):
            where = f"{data / study.name}"
            yield Violation(
                ("settings", "suggestion_trial_dir"),
                f"setting 'suggestion_trial_dir' must be a folder that this server can write, got "
                f"{quote(where)}: {reason}",
            )

    def recommend(self, study: Study) -> Recommendation | None:
        """Recommend no other trial than the best one.

        A trial continues from a checkpoint, so its loss is no function of its parameters.
        """
        return None

    def suggest(self, study: Study, count: int) -> Sequence[Suggestion]:
        population = Population.read(study, self.n_population)
        generation = population.generation
        parents = population.parents(generation, self.truncation_threshold, study.seed)
        skipped = population.in_flight  # members of replies whose trials are not visible yet
        members = population.wanted(skipped, count)
        own = sampling.Visited(study.space, check=study.deadline.check)
        drawn = streams.Independent(study, study.space, study.first_index)
        seen: set[int] = set()
        suggestions = []
        for offset, member in enumerate(members):
            study.deadline.check()
            parent = parents.get(member)
            place = Place(
                generation,
                member,
                study.first_index + offset,
                None if parent is None else parent.member.place.index,
            )
            first = not population.of(generation, member) and member not in seen
            seen.add(member)
            assignment = self._assignment(study, place, parent, first, own, drawn)
            own.add(assignment)
            labels = {f"{_LABELS}/generation": str(generation)}
            if parent is not None:
                labels[f"{_LABELS}/parent"] = parent.member.trial
            suggestions.append(Suggestion(assignment, names.name(study.name, place), labels))
        # Last, so that a refused request leaves nothing behind.
        data = checkpoints.root(self.suggestion_trial_dir)
        for member, suggestion in zip(members, suggestions, strict=True):
            parent = parents.get(member)
            if parent is not None:
                checkpoints.hand_down(
                    data, study.name, parent.member.trial, suggestion.trial, study.deadline.check
                )
            checkpoints.make(data, study.name, suggestion.trial)
        return suggestions

    def _assignment(
        self,
        study: Study,
        place: Place,
        parent: Parent | None,
        first: bool,
        own: sampling.Visited,
        drawn: streams.Independent,
    ) -> Assignment:
        """Return what a member tries, different from what is in `own` if the space allows."""
        space = study.space
        if parent is None:
            assignment = drawn[place.index]
            if assignment not in own:
                return assignment
            return own.unvisited(study.seed, "member", place.index)
        inherited = _in_space(space, parent.member.assignment)
        copied = parent.exploit and first and space.feasible(inherited)
        if copied and inherited not in own:
            return inherited
        rng = streams.rng(study, place.index)
        for _ in range(_ATTEMPTS):
            assignment = space.active(
                {p.name: self._explore(p, inherited.get(p.name), rng) for p in space.parameters}
            )
            if assignment not in own and space.feasible(assignment):
                return assignment
        return own.unvisited(study.seed, "member", place.index)

    def _explore(
        self, parameter: Parameter, value: Value | None, rng: np.random.Generator
    ) -> Value:
        if value is None:  # it was inactive
            return parameter.decode(rng.random(1))[0]
        if self.resample_probability is not None and rng.random() < self.resample_probability:
            return parameter.decode(rng.random(1))[0]
        return perturbed(parameter, value, bool(rng.integers(2)), rng)


def perturbed(parameter: Parameter, value: Value, up: bool, rng: np.random.Generator) -> Value:
    """Return a value near `value`: 0.8 or 1.2 times it for a number, a neighbour in a list.

    Values stay in the range and on the lattice; a value outside is moved to the end. A number on a
    lattice moves by at least one step, which the factors alone would not do to a small int. 0,
    which no factor moves, is drawn from the prior if there is no lattice.
    """
    if isinstance(parameter, Discrete | Categorical):
        level = parameter.level(value) + (1 if up else -1)
        return parameter.value(min(max(level, 0), parameter.levels - 1))
    assert isinstance(parameter, Double | Int)
    number = float(value)
    target = min(max(number * _FACTORS[up], float(parameter.min)), float(parameter.max))
    if parameter.levels is None:
        return target if number else parameter.decode(rng.random(1))[0]
    before = parameter.level(value)
    level = parameter.level(round(target) if isinstance(parameter, Int) else target)
    if level == before:
        # A negative number grows with the smaller factor.
        level += 1 if up == (number >= 0) else -1
    return parameter.value(min(max(level, 0), parameter.levels - 1))


def _in_space(space: SearchSpace, assignment: Assignment) -> Assignment:
    """Return `assignment` with values that are off an edited lattice moved to it."""
    values: dict[str, Value] = {}
    for parameter in space.parameters:
        if parameter.name not in assignment:
            continue
        value = assignment[parameter.name]
        if value not in parameter:
            value = parameter.value(parameter.level(value))
        values[parameter.name] = value
    return values
