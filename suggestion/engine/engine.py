"""Validate, suggest, check postconditions: the same for whoever calls, over a wire or not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from suggestion.engine import initial, prior_trials, recommending
from suggestion.engine.algorithm import (
    Algorithm,
    Configured,
    Registry,
    Unavailable,
    abilities_of,
    build,
    check,
    missing,
    transforms_space,
)
from suggestion.engine.declared import CONDITIONS, PARAMETER_CONSTRAINTS, declare, given
from suggestion.engine.settings import RawSetting
from suggestion.numerics.blas import one_thread
from suggestion.numerics.boxes import never_active
from suggestion.numerics.randomness import seed_of
from suggestion.numerics.region import region_of
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.earlier import EarlierStudy, studies
from suggestion.problem.errors import Broken, Invalid, Violation, quote
from suggestion.problem.problem import Problem
from suggestion.problem.space import Assignment
from suggestion.problem.study import History, Pending, Study, Suggestion

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
        initial: Points that are suggested first; partial ones lack parameters.
    """

    problem: Problem
    name: str
    algorithm: Any  # an Algorithm; protocols with class attributes do not go with dataclasses
    random_state: int | None
    prior: tuple[Study, ...] = ()
    initial: tuple[Assignment, ...] = ()

    @property
    def seed(self) -> int:
        """64 bits, from the setting ``random_state`` or else from the name."""
        # The two kinds of seed must not meet: an experiment may be called "7".
        if self.random_state is None:
            return seed_of(f"name {self.problem.name}")
        return seed_of(f"random_state {self.random_state}")

    def study(
        self,
        *,
        first_index: int = 0,
        trials: History | Callable[[], History] = _NO_TRIALS,
        deadline: Deadline = NEVER,
    ) -> Study:
        """Return the study that the algorithm sees."""
        return Study(
            self.problem,
            seed=self.seed,
            first_index=first_index,
            trials=trials,
            initial=partial(self._initial_points, deadline) if self.initial else tuple,
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
            space = self.problem.space
            text = (
                f"request: must be for at most {most} suggestions of {space.dimension} parameters "
                f"with texts of {space.text_bytes} bytes, got {count}"
            )
            raise Invalid([Violation(("count",), text)])
        with one_thread():
            early = [*self._early(first_index, count, deadline)]
            first_index += len(early)
            suggested: list[Assignment | Suggestion] = [*early]
            if len(early) < count:
                study = self.study(
                    first_index=first_index, trials=_beside(early, trials), deadline=deadline
                )
                suggested += self.algorithm.suggest(study, count - len(early))
        return self._checked(suggested, count)

    def recommend(
        self, best: str, trials: History | Callable[[], History], deadline: Deadline = NEVER
    ) -> recommending.Recommendation | None:
        """Return which finished trial a model recommends in place of the best one; None if none.

        None also if the algorithm does not learn from the best one, which is outside the space or
        lacks a metric, say: nothing is known about its noise then.

        Args:
            best: Name of the trial that users are shown as the best; of several that are equally
                good, whichever they are shown.
            trials: The history, or a function that reads it.
            deadline: When the caller stops waiting.

        Raises:
            Cancelled: If nobody waits for it any more.
        """
        study = self.study(trials=trials, deadline=deadline)
        names = [trial.trial for trial in study.observations]
        losses = dict(zip(names, study.losses[:, 0].tolist(), strict=True))
        if best not in losses:
            return None
        found = recommending.recommend(self.algorithm, study)
        if found is None or losses[found.trial.trial] == losses[best]:
            return None
        return found

    def _early(self, first_index: int, count: int, deadline: Deadline) -> Iterator[Suggestion]:
        """Yield those of the suggestions that are initial points."""
        if first_index < len(self.initial):
            last = min(first_index + count, len(self.initial))
            points = self._completions(last, deadline)
            for index in range(first_index, last):
                yield replace(self._own(index, deadline), assignment=points[index])

    def _initial_points(self, deadline: Deadline) -> tuple[Assignment, ...]:
        return tuple(self._completions(len(self.initial), deadline))

    def _own(self, index: int, deadline: Deadline) -> Suggestion:
        """Return what the algorithm suggests in place of initial point `index`, without trials."""
        study = replace(self.study(first_index=index, deadline=deadline), initial=tuple)
        (suggested,) = self.algorithm.suggest(study, 1)
        return suggested if isinstance(suggested, Suggestion) else Suggestion(suggested)

    def _completions(self, count: int, deadline: Deadline) -> list[Assignment]:
        """Return the first `count` initial points with all their values."""
        space = self.problem.space
        whole = [point for point in self.initial if space.is_complete(point)]
        taken = {space.key(point) for point in whole}
        complete = partial(initial.completed, check=deadline.check)
        found: list[Assignment] = []
        for index, point in enumerate(self.initial[:count]):
            if not space.is_complete(point):
                deadline.check()
                base = self._own(index, deadline).assignment
                filled = complete(space, self.seed, index, point, base, taken)
                if filled is None:  # every completion is another initial point already
                    filled = complete(space, self.seed, index, point, base, ())
                assert filled is not None, "checked by prepare()"
                taken.add(space.key(filled))
                found.append(filled)
            else:
                found.append(point)
        return found

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
        # Of a restricted space there may be fewer points than combinations of values.
        if not space.restricted and (space.size is None or space.size >= count):
            points = {space.key(s.assignment): s.assignment for s in suggestions}
            if len(points) < count:
                seen = Counter(space.key(s.assignment) for s in suggestions)
                repeated = next(points[key] for key, times in seen.items() if times > 1)
                raise Broken(
                    f"{subject} repeated {count - len(points)} of {count} points, among them "
                    f"{quote(repeated)}"
                )
        return suggestions


def _beside(
    early: Sequence[Suggestion], trials: History | Callable[[], History]
) -> History | Callable[[], History]:
    """Return the history of `trials` in which `early` suggestions of the same reply are pending."""
    if not early:
        return trials

    def read() -> History:
        history = trials if isinstance(trials, History) else trials()
        pending = tuple(Pending(each.trial, each.assignment) for each in early)
        return replace(history, pending=history.pending + pending)

    return read


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
        earlier: Sequence[EarlierStudy] = (),
        deadline: Deadline = NEVER,
    ) -> Prepared:
        """Return `problem` with its algorithm, or name everything that is wrong with them.

        Args:
            problem: What is to be optimised; None if it could not be read.
            choice: The algorithm and its settings.
            found: Violations that the caller has found in reading; the error names them first.
            prior: Earlier studies to learn from.
            earlier: Further ones, as an API has read them; so are those of the settings.
            deadline: When the caller stops waiting; a search for feasible points takes seconds.

        Raises:
            Cancelled: If nobody waits for the answer any more.
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
        shared = given(choice.settings)
        restrictions = True
        try:
            earlier = (*earlier, *prior_trials.read(shared, deadline.check))
        except Invalid as error:
            violations += error.violations
        if problem is not None:
            try:
                problem = declare(problem, shared)
            except Invalid as error:
                violations += error.violations
                restrictions = False
        if problem is not None and earlier:
            try:
                prior = (*prior, *studies(earlier, problem, deadline.check))
            except Invalid as error:
                violations += error.violations
        if problem is not None and configured is not None:
            algorithm, random_state = configured
            # Whoever is refused may use another server: not only what is served here counts.
            installed = Registry[Algorithm](self._registry.group, self._registry.noun)
            able = partial(abilities_of, installed)
            violations += missing(type(algorithm), problem, prior, able)
            if transforms_space(algorithm):
                problem = replace(problem, space=algorithm.search_space(problem.space))
            prepared = Prepared(problem, choice.name, algorithm, random_state, tuple(prior))
            try:
                check(algorithm, prepared.study(deadline=deadline))
            except Invalid as error:
                violations += error.violations
            if restrictions:
                try:
                    prepared = self._restricted(prepared, shared, deadline)
                except Invalid as error:
                    violations += error.violations
        if violations or prepared is None:
            raise Invalid(violations)
        return prepared

    @staticmethod
    def _restricted(
        prepared: Prepared, shared: Mapping[str, tuple[int, str]], deadline: Deadline
    ) -> Prepared:
        """Return `prepared` with its initial points, after a search for a feasible point.

        Raises:
            Invalid: If the search finds none, and with everything that is wrong with the points.
        """
        space = prepared.problem.space
        if dead := never_active(space, deadline.check):
            place, text = shared.get(CONDITIONS.name, (0, ""))
            at = ("settings", place, "value")
            rule = "no point of the search space meets that of parameter"
            raise Invalid(
                Violation(at, f"setting 'conditions': {rule} {quote(name)}, got {quote(text)}")
                for name in dead
            )
        region = region_of(space, deadline.check) if space.constraints else None
        if region is not None and not len(region.anchors):
            texts = "; ".join(constraint.text for constraint in space.constraints)
            place, _ = shared.get(PARAMETER_CONSTRAINTS.name, (0, ""))
            searched = f"none of {region.tried} points that were tried"
            found = "no point of the search space" if region.boxes.empty else searched
            text = f"setting 'parameter_constraints': {found} meets them, got {quote(texts)}"
            raise Invalid([Violation(("settings", place, "value"), text)])
        points = initial.read(prepared.problem, shared, prepared.seed, deadline.check)
        return replace(prepared, initial=points)

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
