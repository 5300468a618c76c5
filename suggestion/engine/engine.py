"""Validate, suggest, check postconditions: the same for whoever calls, over a wire or not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from suggestion.engine.algorithm import (
    Algorithm,
    Configured,
    Registry,
    TransformsSpace,
    Unavailable,
    build,
    check,
    missing,
)
from suggestion.engine.settings import RawSetting
from suggestion.numerics.blas import one_thread
from suggestion.numerics.randomness import seed_of
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Broken, Invalid, Violation, quote
from suggestion.problem.problem import Problem
from suggestion.problem.space import Assignment
from suggestion.problem.study import History, Study, Suggestion

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NO_TRIALS: Final = History()


@dataclass(frozen=True, slots=True)
class AlgorithmChoice:
    """Which algorithm is asked for, with its settings as they were written."""

    name: str
    settings: tuple[RawSetting, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A problem and the algorithm that is to solve it, both checked.

    Attributes:
        problem: The problem, with the space that the algorithm reads.
        name: Name of the algorithm.
        algorithm: The algorithm with its settings.
        random_state: The setting of this name; None if it was not given.
        prior: Earlier studies to learn from.
    """

    problem: Problem
    name: str
    algorithm: Any  # an Algorithm; protocols with class attributes do not go with dataclasses
    random_state: int | None
    prior: tuple[Study, ...] = ()

    def study(
        self,
        *,
        first_index: int = 0,
        trials: History | Callable[[], History] = _NO_TRIALS,
        deadline: Deadline = NEVER,
    ) -> Study:
        """Return the study that the algorithm sees."""
        # The two kinds of seed must not meet: an experiment may be called "7".
        if self.random_state is None:
            text = f"name {self.problem.name}"
        else:
            text = f"random_state {self.random_state}"
        return Study(
            self.problem,
            seed=seed_of(text),
            first_index=first_index,
            trials=trials,
            prior=self.prior,
            deadline=deadline,
        )

    def suggest(
        self,
        count: int,
        *,
        first_index: int = 0,
        trials: History | Callable[[], History] = _NO_TRIALS,
        deadline: Deadline = NEVER,
    ) -> tuple[Suggestion, ...]:
        """Return exactly `count` suggestions that fulfil what every reply must.

        Args:
            count: Number of suggestions, at least 1.
            first_index: Index of the first of them among all of the experiment, from 0.
            trials: The history, or a function that reads it when it is first looked at.
            deadline: When the caller stops waiting.

        Raises:
            Invalid: If `count` is more than `Problem.most_suggestions`.
            Exhausted: If the space has no more points.
            Unready: If something on this machine must be fixed first.
            Cancelled: If nobody waits for the suggestions any more.
            Broken: If the algorithm has a bug.
        """
        most = self.problem.most_suggestions
        if count > most:
            text = (
                f"request: must be for at most {most} suggestions of "
                f"{self.problem.space.dimension} parameters, got {count}"
            )
            raise Invalid([Violation(("count",), text)])
        study = self.study(first_index=first_index, trials=trials, deadline=deadline)
        with one_thread():
            suggested = self.algorithm.suggest(study, count)
        return self._checked(suggested, count)

    def _checked(
        self, suggested: Sequence[Assignment | Suggestion], count: int
    ) -> tuple[Suggestion, ...]:
        """Return `suggested` in one form, after checking what every reply must fulfil.

        Raises:
            Broken: If it does not.
        """
        subject = f"algorithm {quote(self.name)}"
        space = self.problem.space
        suggestions = tuple(s if isinstance(s, Suggestion) else Suggestion(s) for s in suggested)
        if len(suggestions) != count:
            raise Broken(
                f"{subject} returned {len(suggestions)} suggestions, {count} were asked for"
            )
        for suggestion in suggestions:
            if suggestion.assignment not in space:
                raise Broken(f"{subject} left the search space with {quote(suggestion.assignment)}")
            if suggestion.trial and not _DNS_LABEL.fullmatch(suggestion.trial):
                raise Broken(f"{subject} named a trial {quote(suggestion.trial)}: not a DNS label")
        names = Counter(s.trial for s in suggestions if s.trial)
        if twice := [name for name, times in names.items() if times > 1]:
            raise Broken(f"{subject} gave several trials one name: {quote(twice[0])}")
        # With conditions, there may be fewer points than combinations of values.
        if not space.conditions and (space.size is None or space.size >= count):
            points = {space.key(s.assignment): s.assignment for s in suggestions}
            if len(points) < count:
                seen = Counter(space.key(s.assignment) for s in suggestions)
                repeated = next(points[key] for key, times in seen.items() if times > 1)
                raise Broken(
                    f"{subject} repeated {count - len(points)} of {count} points, among them "
                    f"{quote(repeated)}"
                )
        return suggestions


class Engine:
    """Solve problems with the algorithms of a registry. It keeps nothing between calls."""

    def __init__(self, registry: Registry[Algorithm]) -> None:
        self._registry = registry

    def prepare(
        self,
        problem: Problem | None,
        choice: AlgorithmChoice,
        found: Iterable[Violation] = (),
        prior: Sequence[Study] = (),
    ) -> Prepared:
        """Return `problem` with its algorithm, or name everything that is wrong with them.

        Args:
            problem: What is to be optimised; None if it could not be read.
            choice: The algorithm and its settings.
            found: Violations that the caller has found in reading; the error names them first.
            prior: Earlier studies to learn from.

        Raises:
            Invalid: With `found` and every further violation, if there is any.
        """
        violations = list(found)
        configured = prepared = None
        try:
            configured = self._configured(choice)
        except Invalid as error:
            violations += error.violations
        if problem is not None and problem.parallel_trial_count > problem.most_suggestions:
            text = (
                f"parallel_trial_count must be at most {problem.most_suggestions}, the most "
                f"suggestions in one reply, got {problem.parallel_trial_count}"
            )
            violations.append(Violation(("parallel_trial_count",), text))
        if problem is not None and configured is not None:
            algorithm, random_state = configured
            violations += missing(type(algorithm), problem, prior)
            if isinstance(algorithm, TransformsSpace):
                problem = replace(problem, space=algorithm.search_space(problem.space))
            prepared = Prepared(problem, choice.name, algorithm, random_state, tuple(prior))
            try:
                check(algorithm, prepared.study())
            except Invalid as error:
                violations += error.violations
        if violations or prepared is None:
            raise Invalid(violations)
        return prepared

    def _configured(self, choice: AlgorithmChoice) -> Configured:
        """Return the algorithm with its settings.

        Raises:
            Invalid: With everything that is wrong with them.
        """
        if not choice.name:
            names = ", ".join(self._registry) or "no algorithm"
            text = f"algorithm: the algorithm name must not be empty; this server has {names}"
            raise Invalid([Violation(("algorithm",), text)])
        try:
            return build(self._registry.load(choice.name), choice.settings)
        except Unavailable as error:
            raise Invalid([Violation(("algorithm",), str(error))]) from error
