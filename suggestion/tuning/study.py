"""Ask and tell: suggestions for people with a loop of their own."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, SupportsIndex, overload

from suggestion.tuning import ranking, stored
from suggestion.tuning.declared import Declared, Points
from suggestion.tuning.errors import BrokenRule, InvalidArgument, NoResult, attempt, unwritable
from suggestion.tuning.goals import Method, Settings
from suggestion.tuning.learning import Learned, LearnFrom, learn, told
from suggestion.tuning.objectives import (
    Direction,
    Objective,
    Objectives,
    Statements,
    read_objective,
    taken_by,
)
from suggestion.tuning.reading import SpaceLike, read_checked
from suggestion.tuning.space import Space
from suggestion.tuning.stored import Record
from suggestion.tuning.telling import Told, metrics_of
from suggestion.tuning.tls import TLS
from suggestion.tuning.trials import Point, State, Trial

if TYPE_CHECKING:
    from suggestion.problem.earlier import EarlierStudy
    from suggestion.problem.problem import Metric
    from suggestion.tuning.solvers import Solver

_TIMEOUT: Final = 60.0


class Study:
    """Suggest points of a space, and learn from their values.

    Points may be told in any order, and asked for while others are still to be told. Not safe for
    several threads at a time.

    Args:
        space: What each parameter may be: a mapping from names to `uniform` and its like or to
            lists of choices; or a function or class with type hints, Optuna's distributions, a
            ConfigSpace, an Experiment file.
        algorithm: Its name; ``suggest algorithms`` lists them.
        settings: Of the algorithm, by name.
        seed: Random seed; derived from `name` if None, so that a program gives the same
            suggestions whenever it runs.
        minimize, maximize: Name of the metric that is optimised, or True; by default `tell` takes
            a value that is minimised.
        objectives: Several metrics that are optimised, in place of these two: by name ``minimize``
            or ``maximize``. The first is the main one.
        metric_constraints: Bounds on metrics other than the main objective: ``"memory <= 8e9"``, or
            a list.
        conditions: When parameters are active: ``"momentum if optimizer == 'sgd'"``, or a list of
            such statements. A point lacks its inactive parameters.
        constraints: What every point fulfils: ``"width * depth <= 4096"``, or a list.
        initial_points: Points that are tried first; what one lacks the algorithm chooses.
        name: Of the study.
        target: Address of a server, ``HOST:PORT``; None for the algorithms installed here. The
            suggestions are the same.
        tls: For a server that speaks TLS.
        timeout: Seconds to wait for each reply of a server.
        learn_from: Earlier experiments with the same objective to learn from: a directory, a
            `Result`, another `Study`, or a list of them. Their trials are copied.

    Raises:
        InvalidArgument: A `ValueError` with every rule that space and settings break.
        ConnectionError: If the server cannot be reached.

    >>> import suggestion as sg
    >>> study = sg.Study({"x": sg.uniform(-5, 5)}, seed=1)
    >>> for _ in range(30):
    ...     point = study.ask()
    ...     study.tell(point, (point.as_float("x") - 1) ** 2)
    >>> study.best.value < 0.1
    True
    """

    def __init__(
        self,
        space: SpaceLike,
        *,
        algorithm: str = "tpe",
        settings: Settings | None = None,
        seed: int | None = None,
        minimize: Direction = None,
        maximize: Direction = None,
        objectives: Objectives | None = None,
        metric_constraints: Statements | None = None,
        conditions: Statements | None = None,
        constraints: Statements | None = None,
        initial_points: Points | None = None,
        name: str = "study",
        target: str | None = None,
        tls: TLS | None = None,
        timeout: float = _TIMEOUT,
        learn_from: LearnFrom = None,
    ) -> None:
        declared = Declared(conditions, constraints, initial_points, seed)
        broken = unwritable("name", name)
        read = attempt(broken, lambda: read_checked(space))
        taken = taken_by(() if read is None else read.parameters)
        objective = attempt(
            broken,
            lambda: read_objective(minimize, maximize, None, objectives, metric_constraints, taken),
        )
        method = Method.of(algorithm, declared.settings(settings, read, objective, broken))
        if objective is not None:
            method = attempt(broken, partial(method.declaring, objective)) or method
        learned: Learned | None = Learned()
        if read is not None and objective is not None:
            learned = attempt(broken, partial(learn, learn_from, objective, read.domain))
        if read is None or objective is None or learned is None or broken:
            from suggestion.tuning.solvers import check_method  # noqa: PLC0415

            if target is None:
                attempt(broken, declared.in_words()(partial(check_method, method, objective, read)))
            raise InvalidArgument(broken)
        with declared.in_words():
            method = method.learning(learned.text)
            self._open(read, objective, method, name, target, tls, timeout)

    def _open(
        self,
        space: Space,
        objective: Objective,
        method: Method,
        name: str,
        target: str | None,
        tls: TLS | None,
        timeout: float,
    ) -> None:
        self._name = name
        self._space = space
        self._objective = objective
        self._method = method
        self._records: list[Record] = []
        self._best: int | None = None
        self._standing: tuple[float, ...] = ()  # of the best
        self._constraints: tuple[Metric, ...] = ()
        from suggestion.tuning.solvers import open_solver  # noqa: PLC0415

        solver = open_solver(name, space, objective, method, target, tls, timeout)
        self._solver: Solver = solver
        try:
            solver.validate()
        except BaseException:
            solver.close()
            raise
        if objective.bounds:
            self._constraints = tuple(m for m in objective.roles() if m.bound is not None)

    # ------------------------------------------------------------------- ask and tell

    @overload
    def ask(self) -> Point: ...

    @overload
    def ask(self, count: int) -> list[Point]: ...

    def ask(self, count: int | None = None) -> Point | list[Point]:
        """Return a point to try, or a list of `count` different ones.

        Each counts as running until it is told.

        Raises:
            SpaceExhausted: If fewer points of a finite space are left.
            ConnectionError: If the server does not answer.
        """
        is_count = isinstance(count, SupportsIndex) and not isinstance(count, bool)
        if count is not None and (not is_count or count < 1):
            raise InvalidArgument([BrokenRule("count", f"must be at least 1, got {count!r:.80}")])
        records, points = [], []
        suggested = self._solver.suggest(1 if count is None else int(count))
        for number, made in enumerate(suggested, len(self._records)):
            name = made.name or f"{self._name}-{number:05}"
            record = Record(name, dict(made.texts), labels=dict(made.labels))
            points.append(self._point(number, record))  # may fail: none is started then
            records.append(record)
        for record in records:
            self._start(record)
        return points[0] if count is None else points

    def tell(self, point: Mapping[str, object], value: Told) -> None:
        """Record what has come of `point`.

        Args:
            point: One that `ask` has returned; or any mapping from names to values in the space,
                which adds a trial that nobody suggested.
            value: The objective; or all metrics by name, the objectives among them. None, nan and
                infinities mean that the trial has failed. A trial without the metric of a
                constraint violates it.

        Raises:
            InvalidArgument: If the point was told before, or is not in the space; or if a value is
                no number.
        """
        metrics = metrics_of(value, self._objective)
        number = self._number(point)
        if number is None:
            number = len(self._records)
            texts = self._space.encode(point, inactive=self._solver.inactive)
            self._start(Record(f"{self._name}-{number:05}", texts))
        self._finish(number, metrics)

    def _number(self, point: Mapping[str, object]) -> int | None:
        """Return the number of the trial that `point` is told of; None for a new one."""
        if not isinstance(point, Mapping):
            rule = f"must be a point of this study, or a mapping, got {point!r:.80}"
            raise InvalidArgument([BrokenRule("point", rule)])
        if isinstance(point, Point):
            number = point.number
            known = number < len(self._records) and self._records[number].name == point.name
            if not known or dict(self._point(number, self._records[number])) != dict(point):
                rule = f"must be a point of this study, got {point.name!r}"
                raise InvalidArgument([BrokenRule("point", rule)])
            if self._records[number].state.ended:
                rule = f"must be told once, got {point.name!r} again"
                raise InvalidArgument([BrokenRule("point", rule)])
            return number
        for number, record in enumerate(self._records):
            if not record.state.ended and dict(self._point(number, record)) == dict(point):
                return number
        return None

    def _point(self, number: int, record: Record) -> Point:
        return Point(
            number, record.name, self._space.decode_active(record.texts), record.labels or {}
        )

    def _start(self, record: Record) -> None:
        self._solver.start(len(self._records), record.name, record.texts)
        self._records.append(record)

    def _finish(self, number: int, metrics: Mapping[str, float]) -> None:
        told = self._objective.told(metrics)
        self._solver.finish(number, told)
        self._records[number] = replace(
            self._records[number],
            state=State.FAILED if told is None else State.SUCCEEDED,
            value=None if told is None else told[self._objective.metric],
            metrics=dict(metrics),
        )
        standing = ranking.standing(self._trial(number), self._objective.directions)
        if standing is not None and (self._best is None or standing < self._standing):
            self._best, self._standing = number, standing

    # --------------------------------------------------------------------- what is known

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order in which they were asked for or added."""
        return [self._trial(number) for number in range(len(self._records))]

    @property
    def running(self) -> list[Point]:
        """The points that were asked for and not told yet."""
        return [
            self._point(number, record)
            for number, record in enumerate(self._records)
            if not record.state.ended
        ]

    @property
    def best(self) -> Trial:
        """The trial with the best value of the main objective; of equal ones the first.

        It is feasible if any is, else the one that violates the metric constraints least.

        Raises:
            NoResult: If no trial has a value.
        """
        if self._best is None:
            raise NoResult("no trial has a value yet")
        return self._trial(self._best)

    @property
    def recommended(self) -> Trial:
        """The trial to use where values are noisy, and the best one is perhaps only the luckiest.

        It is another than `best` where a Gaussian process estimates that another feasible trial is
        better by more than one standard deviation. It is `best` with fewer than ten feasible
        trials, several objectives, a best trial out of the space, or an algorithm not installed.

        Raises:
            NoResult: If no trial has a value.

        >>> import random, suggestion as sg
        >>> study, noise = sg.Study({"x": sg.uniform(-5, 5)}, seed=1), random.Random(11)
        >>> for point in study.ask(40):
        ...     study.tell(point, (point.as_float("x") - 1) ** 2 + noise.gauss(0, 4))
        >>> round(study.best.parameters["x"]), round(study.recommended.parameters["x"])
        (3, 1)
        """
        from suggestion.tuning.solvers import recommended  # noqa: PLC0415

        found = recommended(self._saved, self.best.number)
        return self.best if found is None else self._trial(found)

    @property
    def front(self) -> list[Trial]:
        """The trade-off of several objectives: the feasible trials that no feasible one dominates.

        A trial dominates another one if no objective of it is worse and at least one is better.
        """
        return ranking.front(self.trials, self._objective.directions)

    def _trial(self, number: int) -> Trial:
        record = self._records[number]
        metrics, names = record.metrics or {}, self._objective.directions
        return Trial(
            number,
            record.name,
            self._space.decode_active(record.texts),
            record.state,
            record.value,
            metrics,
            objectives={} if record.value is None else {name: metrics[name] for name in names},
            violations={
                bound.rule: bound.violation(_finite(metrics.get(bound.name)))
                for bound in (self._constraints if record.state.ended else ())
            },
        )

    @property
    def name(self) -> str:
        """Name of the study."""
        return self._name

    def earlier(self, metric: str, others: Sequence[str] = ()) -> EarlierStudy:
        """Return the trials that were told, for others to learn from.

        Args:
            metric: Name of the main objective that they learn about.
            others: Further metrics that they learn about, of those that trials have.

        Raises:
            CannotLearn: If this study has another one, or no value of it.
        """
        return told(self._name, self._records, self._objective, metric, others)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        goals = ", ".join(f"{verb} {metric}" for metric, verb in self._objective.words.items())
        text = f"<Study {self._name!r}: {goals}, {self._method.name}, {len(self)} trials"
        if self._best is not None:
            text += f", best {self._records[self._best].value:.5g}"
        return f"{text}>"

    # ------------------------------------------------------------------------- storage

    @property
    def _saved(self) -> stored.Saved:
        return stored.Saved(self._name, self._space, self._objective, self._method, self._records)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole study to one JSON file, in one step: the file is never half written."""
        stored.write(Path(path), self._saved)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        space: SpaceLike | None = None,
        *,
        target: str | None = None,
        tls: TLS | None = None,
        timeout: float = _TIMEOUT,
    ) -> Study:
        """Return the study that `save` wrote: it goes on exactly where it was.

        Args:
            space: The space as it was, where its choices are objects that JSON cannot hold.
            target, tls, timeout: As for `Study`; neither is stored.

        Raises:
            InvalidArgument: If the file holds no study, or `space` is another one.
        """
        saved = stored.read(Path(path), space)
        study: Study = cls.__new__(cls)
        study._open(saved.space, saved.objective, saved.method, saved.name, target, tls, timeout)
        for record in saved.records:
            number = len(study._records)
            study._start(Record(record.name, record.texts, labels=record.labels))
            if record.state.ended:
                study._finish(number, record.metrics or {})
        return study


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
