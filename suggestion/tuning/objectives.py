"""What is optimised, as calls say it: one objective or several, and bounds on metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument, attempt

if TYPE_CHECKING:
    from suggestion.problem.problem import Metric

#: Name of the objective where the user gives none.
VALUE: Final = "value"

#: What ``minimize`` and ``maximize`` take: a metric's name; True for `VALUE`.
Direction: TypeAlias = str | bool | None
#: What ``objectives`` takes: ``minimize`` or ``maximize`` by the metric's name, the main one first.
Objectives: TypeAlias = Mapping[str, str]
#: One or several statements: ``"momentum if optimizer == 'sgd'"``.
Statements: TypeAlias = str | Sequence[str]

#: The arguments, which are settings of the same names.
OBJECTIVES: Final = "objectives"
METRIC_CONSTRAINTS: Final = "metric_constraints"
_MAXIMIZES: Final = {"minimize": False, "maximize": True}
_WORDS: Final = {maximize: word for word, maximize in _MAXIMIZES.items()}


@dataclass(frozen=True, slots=True)
class Objective:
    """The metrics that are optimised, and the bounds on others.

    Attributes:
        metric: Name of the main objective.
        maximize: Whether more of it is better.
        goal: Value of it at which to end; None without one.
        further: Further objectives: by name, whether more is better.
        bounds: Bounds on additional metrics, as the setting ``metric_constraints`` has them.
    """

    metric: str = VALUE
    maximize: bool = False
    goal: float | None = None
    further: Mapping[str, bool] = field(default_factory=dict)
    bounds: str = ""

    @property
    def directions(self) -> dict[str, bool]:
        """All objectives, the main one first: by name, whether more is better."""
        return {self.metric: self.maximize, **self.further}

    @property
    def words(self) -> dict[str, str]:
        """All objectives with ``minimize`` or ``maximize``."""
        return {name: _WORDS[maximize] for name, maximize in self.directions.items()}

    @property
    def additional(self) -> tuple[str, ...]:
        """Names of the metrics that count beside the main objective, each once."""
        names = dict.fromkeys(self.further)
        if self.bounds:
            from suggestion.engine.goals import bounded  # noqa: PLC0415

            names |= dict.fromkeys(bounded(self.bounds))
        names.pop(self.metric, None)
        return tuple(names)

    @property
    def settings(self) -> dict[str, str]:
        """What an algorithm is told of it, beside the main objective."""
        made = {}
        if self.further:
            made[OBJECTIVES] = "; ".join(
                f"{_quoted(name)}: {_WORDS[maximize]}" for name, maximize in self.further.items()
            )
        if self.bounds:
            made[METRIC_CONSTRAINTS] = self.bounds
        return made

    def roles(self) -> tuple[Metric, ...]:
        """Return the metrics with what each is for, the main objective first.

        Each bound is a metric of its own. Settings must have been validated.
        """
        from suggestion.engine import goals  # noqa: PLC0415

        shared = {name: (0, text) for name, text in self.settings.items()}
        return goals.declare(self.metrics(), shared, [])

    def metrics(self) -> tuple[Metric, ...]:
        """Return the main objective, then the other metrics, whose roles the settings declare."""
        from suggestion.problem.problem import Goal, Metric, Role  # noqa: PLC0415

        goal = Goal.MAXIMIZE if self.maximize else Goal.MINIMIZE
        others = [Metric(name, role=Role.REPORTED) for name in self.additional]
        return (Metric(self.metric, goal), *others)

    def told(self, metrics: Mapping[str, float]) -> dict[str, float] | None:
        """Return what an algorithm is told of a trial; None if the trial has failed.

        These are the finite values of the metrics that count. A trial without one of each objective
        has failed.
        """
        names = (self.metric, *self.additional)
        found = {
            name: metrics[name]
            for name in names
            if name in metrics and math.isfinite(metrics[name])
        }
        return found if self.directions.keys() <= found.keys() else None


def read_objective(
    minimize: Direction,
    maximize: Direction,
    goal: float | None = None,
    objectives: Objectives | None = None,
    metric_constraints: Statements | None = None,
    taken: Mapping[str, str] | None = None,
) -> Objective:
    """Return the objectives and bounds that the arguments of a call name.

    Args:
        taken: Names that no metric may have, with the reason.

    Raises:
        InvalidArgument: With every rule that the arguments break.
    """
    taken = taken or {}
    broken: list[BrokenRule] = []
    broken += _named(minimize, maximize, taken)
    if objectives is not None:
        for name, given in (("minimize", minimize), ("maximize", maximize)):
            if given:
                rule = f"must not be given together with {name}, got {given!r:.80}"
                broken.append(BrokenRule(OBJECTIVES, rule))
        broken += _several(objectives, taken)
    real = isinstance(goal, int | float) and not isinstance(goal, bool)
    if goal is not None and not (real and math.isfinite(goal)):
        broken.append(BrokenRule("goal", f"must be a finite number, got {goal!r}"))
    bounds = None
    if metric_constraints is not None:
        bounds = attempt(broken, lambda: joined(METRIC_CONSTRAINTS, metric_constraints))
        broken += [] if bounds is None else _bounds(bounds, taken)
    if broken:
        raise InvalidArgument(broken)
    if objectives is None:
        chosen = maximize or minimize
        name = chosen if isinstance(chosen, str) else VALUE
        return Objective(name, bool(maximize), goal, bounds=bounds or "")
    directions = {name: _MAXIMIZES[word] for name, word in objectives.items()}
    name = next(iter(directions))
    return Objective(name, directions.pop(name), goal, directions, bounds or "")


def taken_by(parameters: Iterable[str]) -> dict[str, str]:
    """Return the names of parameters, which no metric may have, with the reason."""
    return dict.fromkeys(parameters, "a parameter of the space")


def _named(
    minimize: Direction, maximize: Direction, taken: Mapping[str, str]
) -> Iterator[BrokenRule]:
    """Yield what is wrong with the arguments ``minimize`` and ``maximize``."""
    for name, given in (("minimize", minimize), ("maximize", maximize)):
        if given is None or isinstance(given, bool):
            continue
        if not isinstance(given, str) and isinstance(given, Iterable):
            rule = f"several objectives go to the argument objectives, got {given!r:.80}"
            yield BrokenRule(name, rule)
        elif not isinstance(given, str) or not given:
            yield BrokenRule(name, f"must be the name of a metric, got {given!r:.80}")
        elif given in taken:
            yield BrokenRule(name, f"must be the name of a metric, got {given!r}, {taken[given]}")
    if maximize and minimize:
        rule = f"must not be given together with minimize, got {maximize!r} and {minimize!r}"
        yield BrokenRule("maximize", rule)


def _several(given: object, taken: Mapping[str, str]) -> Iterator[BrokenRule]:
    """Yield what is wrong with the argument ``objectives``."""
    if not isinstance(given, Mapping) or not given:
        rule = "must map names of metrics to 'minimize' or 'maximize'"
        yield BrokenRule(OBJECTIVES, f"{rule}, got {given!r:.80}")
        return
    for name, word in given.items():
        place = f"{OBJECTIVES}[{name!r:.80}]"
        if not isinstance(name, str) or not name.strip() or "`" in name:
            rule = f"must be the name of a metric, without back-quotes, got {name!r:.80}"
            yield BrokenRule(place, rule)
        elif name in taken:
            yield BrokenRule(place, f"must be the name of a metric, got {name!r}, {taken[name]}")
        if not isinstance(word, str) or word not in _MAXIMIZES:
            yield BrokenRule(place, f"must be 'minimize' or 'maximize', got {word!r:.80}")


def _bounds(text: str, taken: Mapping[str, str]) -> Iterator[BrokenRule]:
    """Yield each name in bounds that is no metric."""
    if not text.strip():
        yield BrokenRule(METRIC_CONSTRAINTS, f"must hold a bound, got {text!r}")
        return
    from suggestion.engine.goals import bounded  # noqa: PLC0415

    for name in bounded(text):
        if name in taken:
            rule = f"must be about metrics, got {name!r}, {taken[name]}"
            yield BrokenRule(METRIC_CONSTRAINTS, rule)


def _quoted(name: str) -> str:
    """Return a name as the setting ``objectives`` has it."""
    return f"`{name}`" if name != name.strip() or set(name) & set(":;") else name


def joined(name: str, given: Statements) -> str:
    """Return the statements that the argument `name` has, as one text.

    Raises:
        InvalidArgument: If it is neither a text nor a list of texts.
    """
    statements: Sequence[object] = [given] if isinstance(given, str) else given
    if not isinstance(statements, list | tuple) or not all(
        isinstance(text, str) for text in statements
    ):
        rule = f"must be a text, or a list of texts, got {given!r:.80}"
        raise InvalidArgument([BrokenRule(name, rule)])
    return "; ".join(statements)
