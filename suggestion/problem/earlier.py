"""Earlier studies: what trials of other experiments say about a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from suggestion.problem.architectures import ArchitectureSpace
from suggestion.problem.deadline import NEVER, watched
from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.locations import Location
from suggestion.problem.numbers import parse_number
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.problem import Goal, Metric, Problem, Role
from suggestion.problem.space import SearchSpace
from suggestion.problem.study import Failed, History, Observation, Record, Study

#: Largest number of earlier studies, and of trials in all of them.
MOST_STUDIES: Final = 100
MOST_TRIALS: Final = 10_000

_INT64: Final = 2**63


@dataclass(frozen=True, slots=True)
class EarlierTrial:
    """A finished trial of another experiment.

    Attributes:
        texts: Its parameters as they were written, whatever their ranges were.
        value: The objective; None if it failed.
        name: Its name; may be empty.
        metrics: Finite values of other metrics, by name.
    """

    texts: Mapping[str, str]
    value: float | None
    name: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EarlierStudy:
    """Trials of another experiment, as an API has read them.

    Attributes:
        name: Tells it from other ones.
        trials: In any order.
        goal: Which values are better; None: as in the problem that learns from them.
        location: Where it was given, for messages.
        subject: What it is called there.
    """

    name: str
    trials: Sequence[EarlierTrial]
    goal: Goal | None = None
    location: Location = ("prior",)
    subject: str = ""

    def violation(self, rule: str) -> Violation:
        """Return the violation that the study breaks `rule`."""
        subject = self.subject or f"earlier study {quote(self.name)}"
        return Violation(self.location, f"{subject}: {rule}")


def studies(
    earlier: Sequence[EarlierStudy], problem: Problem, check: Callable[[], None] = NEVER.check
) -> tuple[Study, ...]:
    """Return what earlier studies say about `problem`, each on a space of its own.

    Its trials have the values of all metrics of `problem` that they reported.

    That space has the parameters that both have. Their ranges are those of `problem`, widened to
    hold all values of the earlier trials that are of the same kind: what a value means does not
    depend on the range that it was drawn from.

    Args:
        check: Called between trials and parameters; what it raises ends the work.

    Raises:
        Invalid: With every study of a name used twice, of too many trials, of too many different
            categories, without a value of the objective, or without a value that fits a parameter.
    """
    found: list[Violation] = []
    made: list[Study] = []
    if isinstance(problem.space, ArchitectureSpace):
        rule = "architectures are not learned from other experiments; leave it out"
        raise Invalid(each.violation(rule) for each in earlier)
    if len(earlier) > MOST_STUDIES:
        rule = f"there must be at most {MOST_STUDIES} of them, got {len(earlier)}"
        raise Invalid([Violation(earlier[0].location, f"earlier studies: {rule}")])
    count = sum(len(each.trials) for each in earlier)
    if count > MOST_TRIALS:
        rule = f"there must be at most {MOST_TRIALS} of all studies, got {count}"
        raise Invalid([Violation(earlier[0].location, f"trials of earlier studies: {rule}")])
    seen: set[str] = set()
    for each in earlier:
        if each.name in seen:
            found.append(each.violation("names of earlier studies must differ"))
        seen.add(each.name)
        if all(trial.value is None for trial in each.trials):
            got = f"got {len(each.trials)} without" if each.trials else "got no trial"
            found.append(each.violation(f"must have a trial with a value of the objective, {got}"))
            continue
        try:
            study = _study(each, problem, check)
        except Invalid as error:  # too many categories
            found += [each.violation(violation.description) for violation in error.violations]
            continue
        if study is None:
            own = ", ".join(quote(parameter.name) for parameter in problem.space.parameters[:20])
            names = dict.fromkeys(name for trial in each.trials for name in trial.texts)
            got = ", ".join(map(quote, [*names][:20])) or "no parameter"
            rule = f"must have values that fit a parameter of the space ({own}), got {got}"
            found.append(each.violation(rule))
        else:
            made.append(study)
    if found:
        raise Invalid(found)
    return tuple(made)


def _study(earlier: EarlierStudy, problem: Problem, check: Callable[[], None]) -> Study | None:
    """Return the study that `earlier` is; None if no trial with a value fits the space.

    Raises:
        Invalid: If the lists of its space would be too long.
    """
    parameters = [
        widened
        for parameter in watched(problem.space.parameters, check, 1)
        if (widened := _widened(parameter, _column(earlier.trials, parameter.name))) is not None
    ]
    if not parameters:
        return None
    names = {parameter.name for parameter in parameters}
    kept = [c for c in problem.space.conditions if {c.parameter, *c.parents} <= names]
    space = SearchSpace(tuple(parameters), tuple(kept))
    main = problem.objectives[0]
    if earlier.goal is not None:
        main = replace(main, goal=earlier.goal)
    further = dict.fromkeys(m.name for m in problem.metrics if m.name != main.name)
    others = tuple(Metric(name, role=Role.REPORTED) for name in further)
    parse = space.parser()
    records = []
    for trial in watched(earlier.trials, check):
        assignment = parse(trial.texts)
        made: Observation | Failed
        if trial.value is None:
            made = Failed(trial.name, assignment)
        else:
            told = {name: value for name, value in trial.metrics.items() if name in further}
            made = Observation(trial.name, assignment, {**told, main.name: trial.value})
        records.append(Record(made, "", trial.texts))
    own = Problem(earlier.name, space, (main, *others))
    history = History.of(records, own, check)
    if not history.evaluated:
        return None
    return Study(own, trials=history)


def _column(trials: Iterable[EarlierTrial], name: str) -> list[str]:
    return [trial.texts[name] for trial in trials if name in trial.texts]


def _widened(parameter: Parameter, texts: Sequence[str]) -> Parameter | None:
    """Return `parameter` with room for those of `texts` that it can mean; None if it can mean none.

    A lattice becomes the range that it lies in, since other points of it mean something too.
    """
    if isinstance(parameter, Categorical):
        values = tuple(dict.fromkeys(text for text in texts if text))
        return Categorical(parameter.name, _union(parameter.values, values)) if values else None
    numbers = {text: number for text in texts if (number := parse_number(text)) is not None}
    if isinstance(parameter, Discrete):
        own = set(parameter.numbers)
        other = {number: text for text, number in numbers.items() if number not in own}
        values = (*parameter.values, *other.values())
        return Discrete(parameter.name, values) if numbers else None
    assert isinstance(parameter, Double | Int)
    known = [*numbers.values()]
    if isinstance(parameter, Int):
        known = [int(x) for x in known if x.is_integer() and -_INT64 <= x < _INT64]
    if parameter.distribution.is_log:
        known = [number for number in known if number > 0]
    if not known:
        return None
    low, high = min(parameter.min, *known), max(parameter.max, *known)
    return type(parameter)(parameter.name, low, high, None, parameter.distribution)


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))
