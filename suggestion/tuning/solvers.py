"""Where suggestions come from: the engine in this process, or a server over gRPC.

Both see the same history and give the same suggestions, tested over the registry.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from suggestion.engine import goals
from suggestion.engine.algorithm import abilities_of, algorithms, missing
from suggestion.engine.declared import given
from suggestion.engine.engine import AlgorithmChoice, Engine
from suggestion.engine.settings import RawSetting
from suggestion.problem import errors
from suggestion.problem.lists import Categorical
from suggestion.problem.problem import Problem
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending
from suggestion.tuning.errors import InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import Method
from suggestion.tuning.objectives import Objective
from suggestion.tuning.places import broken_rule
from suggestion.tuning.space import Space
from suggestion.tuning.stored import Saved
from suggestion.tuning.tls import TLS


@dataclass(frozen=True, slots=True)
class Suggested:
    """A suggested trial; `name` is empty where the algorithm does not choose it."""

    texts: Mapping[str, str]
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


class Solver(Protocol):
    """Knows the history of one study, and suggests what to try next."""

    def validate(self) -> None:
        """Check space, algorithm and settings.

        Raises:
            InvalidArgument: With every rule that they break.
        """
        ...

    def suggest(self, count: int, first_index: int | None = None) -> Sequence[Suggested]:
        """Return `count` suggestions; the history does not have them before `start`.

        Args:
            first_index: Index of the first of them; None for the one after the latest trial.

        Raises:
            SpaceExhausted: If fewer are left.
        """
        ...

    def inactive(self, texts: Mapping[str, str]) -> frozenset[str]:
        """Return the parameters whose condition is not met where others have these `texts`."""
        ...

    def start(self, number: int, name: str, texts: Mapping[str, str]) -> None:
        """Add a running trial; its inactive parameters are left out."""
        ...

    def finish(self, number: int, metrics: Mapping[str, float] | None) -> None:
        """End a running trial: with what `Objective.told` returns, or as failed without it."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


def open_solver(
    name: str,
    space: Space,
    objective: Objective,
    method: Method,
    target: str | None,
    tls: TLS | None,
    timeout: float,
) -> Solver:
    """Return the solver of a study: at the server `target`, or in this process if it is None.

    Raises:
        InvalidArgument: With every rule that is found to be broken already.
        ConnectionError: If the server cannot be reached.
    """
    if target is None:
        return Local(name, space, objective, method)
    from suggestion.tuning.remote import Remote  # noqa: PLC0415

    return Remote(name, space, objective, method, target, tls, timeout)


def recommended(study: Saved, best: int) -> int | None:
    """Return the number of the trial that the algorithm of `study` recommends; None if none.

    None also where the algorithm is not installed here, but on a server.

    Args:
        best: Number of the best trial, in place of which another one is recommended.
    """
    from suggestion.client.algorithm_check import scratch  # noqa: PLC0415  (imports protobuf)

    objective = study.objective
    try:
        with scratch():
            local = Local(study.name, study.space, objective, study.method)
    except (InvalidArgument, errors.Unready, OSError):  # of the latter, no temporary folder
        return None
    for number, record in enumerate(study.records):
        local.start(number, record.name, record.texts)
        if record.state.ended:
            local.finish(number, objective.told(record.metrics or {}))
    found = local.recommended(study.records[best].name)
    return next((k for k, record in enumerate(study.records) if record.name == found), None)


def check_method(
    method: Method, objective: Objective | None = None, space: Space | None = None
) -> None:
    """Check name and settings of an algorithm installed here.

    Args:
        objective: What the algorithm must be able to optimise; None if that is broken itself.
        space: None if it is not known yet, or broken itself.

    Raises:
        InvalidArgument: With every rule that they break.
    """
    if objective is not None and space is not None:
        Local("any", space, objective, method)
        return
    registry = algorithms()
    settings = tuple(RawSetting(*item) for item in method.settings.items())
    try:
        Engine(registry).prepare(None, AlgorithmChoice(method.name, settings))
        found = []
    except errors.Invalid as error:
        found = [*error.violations]
    if objective is not None:
        own = objective.settings
        shared = {name: item for name, item in given(settings).items() if name in own}
        metrics = goals.declare(objective.metrics(), shared, found)
        if method.name in registry:
            anything = SearchSpace((Categorical("any", ("a", "b")),))
            able = partial(abilities_of, registry)
            problem = Problem("any", anything, metrics)
            found += missing(registry.load(method.name), problem, able=able)
    if found:
        raise InvalidArgument(broken_rule(violation, method, Space({}, {})) for violation in found)


class Local:
    """The engine in this process: no protobuf, no gRPC, each trial read once.

    Args:
        parallel, trials: Trials at a time, and at most; 0 if that is not known.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        objective: Objective,
        algorithm: Method,
        parallel: int = 0,
        trials: int = 0,
    ) -> None:
        self._names = list(space.parameters)
        self._place = space.place
        domain = space.domain
        problem = Problem(name, domain, objective.metrics(), parallel, trials)
        settings = tuple(RawSetting(*item) for item in algorithm.settings.items())
        try:
            self._prepared = Engine(algorithms()).prepare(
                problem, AlgorithmChoice(algorithm.name, settings)
            )
        except errors.Invalid as error:
            raise InvalidArgument(
                broken_rule(violation, algorithm, space) for violation in error.violations
            ) from error
        self._parse = self._prepared.problem.space.parser()
        self._fits = self._prepared.problem.space.is_complete
        self._running: dict[int, Pending] = {}
        # In the order of names, in which a server puts the trials of a request too.
        self._observations: list[Observation] = []
        self._failed: list[Failed] = []
        self._outside: list[Observation | Failed] = []
        self._made = 0

    def validate(self) -> None:
        """Nothing is left to check."""

    def suggest(self, count: int, first_index: int | None = None) -> Sequence[Suggested]:
        space = self._prepared.problem.space
        first = self._made if first_index is None else first_index
        try:
            made = self._prepared.suggest(count, first_index=first, trials=self._history)
        except errors.Exhausted as error:
            raise SpaceExhausted(str(error)) from error
        return [Suggested(space.format(s.assignment), s.trial, s.labels) for s in made]

    def recommended(self, best: str) -> str | None:
        """Return the name of the trial that the algorithm recommends in place of `best`, if any."""
        found = self._prepared.recommend(best, self._history)
        return None if found is None else found.trial.trial

    def inactive(self, texts: Mapping[str, str]) -> frozenset[str]:
        return frozenset(self._prepared.problem.space.inactive(self._parse(texts)))

    def _history(self) -> History:
        pending: list[Pending] = sorted(self._running.values(), key=_by_name)
        inside = [trial for trial in pending if self._fits(trial.assignment)]
        outside = [t for t in pending if t.assignment and not self._fits(t.assignment)]
        return History(
            tuple(self._observations),
            tuple(inside),
            tuple(self._failed),
            tuple(sorted([*self._outside, *outside], key=_by_name)),
        )

    def start(self, number: int, name: str, texts: Mapping[str, str]) -> None:
        self._running[number] = Pending(name, self._parse(texts))
        self._made = max(self._made, number + 1)

    def finish(self, number: int, metrics: Mapping[str, float] | None) -> None:
        pending = self._running.pop(number)
        fits = self._fits(pending.assignment)
        if not pending.assignment:
            return
        if metrics is None:
            failed = Failed(pending.trial, pending.assignment)
            insort(self._failed if fits else self._outside, failed, key=_by_name)
        else:
            seen = Observation(pending.trial, pending.assignment, metrics)
            insort(self._observations if fits else self._outside, seen, key=_by_name)

    def close(self) -> None:
        """It holds nothing."""


def _by_name(trial: Observation | Pending | Failed) -> str:
    return trial.trial
