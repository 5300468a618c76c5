"""What settings that every algorithm shares declare: conditions, constraints, objectives.

They are parsed here and become part of the problem, whatever the API. An algorithm that cannot do
what they ask for is refused by the abilities that it declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from suggestion.engine import goals
from suggestion.engine.goals import METRIC_CONSTRAINTS, OBJECTIVES
from suggestion.engine.mistakes import violation
from suggestion.engine.settings import RawSetting, Setting
from suggestion.problem.architectures import ArchitectureSpace
from suggestion.problem.conditions import When
from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.expressions import Expression, Names, expression, parse
from suggestion.problem.lists import Categorical
from suggestion.problem.problem import Problem
from suggestion.problem.space import SearchSpace
from suggestion.problem.tokens import Mistake, Mistakes, Statement, statements

CONDITIONS: Final = Setting(
    name="conditions",
    kind=str,
    default=None,
    help="When parameters are active: momentum if optimizer == 'sgd'; units3 if layers >= 3.",
)
PARAMETER_CONSTRAINTS: Final = Setting(
    name="parameter_constraints",
    kind=str,
    default=None,
    help="What every suggestion satisfies: width * depth <= 4096; lr_min < lr_max.",
)
INITIAL_POINTS: Final = Setting(
    name="initial_points",
    kind=str,
    default=None,
    help="What is tried first: a JSON list of assignments, which may be partial.",
)
PRIOR_TRIALS: Final = Setting(
    name="prior_trials",
    kind=str,
    default=None,
    help="Trials of earlier studies to learn from: a JSON object of studies by name.",
)
#: Settings that every algorithm shares, besides the seed.
SHARED: Final = (
    CONDITIONS,
    PARAMETER_CONSTRAINTS,
    METRIC_CONSTRAINTS,
    OBJECTIVES,
    INITIAL_POINTS,
    PRIOR_TRIALS,
)


_OF_PARAMETERS: Final = frozenset({CONDITIONS.name, PARAMETER_CONSTRAINTS.name})


def given(settings: Sequence[RawSetting]) -> Mapping[str, tuple[int, str]]:
    """Return the shared settings among `settings`: by name their place and text."""
    names = {setting.name for setting in SHARED}
    found: dict[str, tuple[int, str]] = {}
    for index, item in enumerate(settings):
        if item.name in names and item.value.strip():  # empty ones are refused as settings
            found.setdefault(item.name, (index, item.value))
    return found


def declare(problem: Problem, shared: Mapping[str, tuple[int, str]]) -> Problem:
    """Return `problem` with the conditions, constraints and objectives of its settings.

    Args:
        shared: As `given` returns them.

    Raises:
        Invalid: With everything that is wrong with them.
    """
    if not shared:
        return problem
    space, found = problem.space, list[Violation]()
    if isinstance(space, ArchitectureSpace):
        for name in sorted(_OF_PARAMETERS & shared.keys()):
            place, text = shared[name]
            rule = f"must be left out with a nasConfig, got {quote(text)}"
            found.append(Violation(("settings", place, "value"), f"setting {quote(name)} {rule}"))
        shared = {key: value for key, value in shared.items() if key not in _OF_PARAMETERS}
    conditions = _conditions(space, shared, found)
    constraints = _constraints(space, shared, found)
    if not found and (conditions or constraints):
        place = shared.get(CONDITIONS.name, (0, ""))[0]
        try:
            space = SearchSpace(space.parameters, (*space.conditions, *conditions), constraints)
        except Invalid as error:
            at = ("settings", place, "value")
            found += [
                Violation(at, f"setting 'conditions': {v.description}") for v in error.violations
            ]
    metrics = goals.declare(problem.metrics, shared, found)
    if found:
        raise Invalid(found)
    return replace(problem, space=space, metrics=metrics)


def _conditions(
    space: SearchSpace, shared: Mapping[str, tuple[int, str]], found: list[Violation]
) -> tuple[When, ...]:
    place, text = shared.get(CONDITIONS.name, (0, ""))
    made: list[When] = []
    names = _names(space)

    def read() -> Iterator[Mistake]:
        try:
            for statement in statements(text):
                try:
                    made.append(_condition(text, statement, names))
                except Mistakes as error:
                    yield from error.found
        except Mistake as error:
            yield error

    mistakes = list(read())
    if text and not made and not mistakes:
        mistakes.append(Mistake("must hold a condition", 0))
    found += [violation(CONDITIONS, place, text, mistake) for mistake in mistakes]
    return tuple(made)


def _condition(text: str, statement: Statement, names: Names) -> When:
    """Return the condition that ``NAME if CLAIM`` declares.

    Raises:
        Mistakes: With what is wrong.
    """
    tokens = statement.tokens
    first = tokens[0]
    if first.kind not in ("name", "quoted") or len(tokens) < 2 or tokens[1].text != "if":
        rule = "a condition must read: NAME if CLAIM"
        raise Mistakes(
            [Mistake(f"{rule}, got {quote(text[first.start : statement.end])}", first.start)]
        )
    found = [] if first.value in names else [_unknown(first.value, first.start, names)]
    if len(tokens) == 2:
        raise Mistakes([*found, Mistake("ends after 'if'", tokens[1].start)])
    try:
        claim = expression(text, Statement(tokens[2:], statement.end), names)
    except Mistakes as error:
        raise Mistakes([*found, *error.found]) from error
    if not claim.names:
        found.append(Mistake("a condition must name a parameter", tokens[2].start))
    if first.value in claim.names:
        rule = f"the condition of parameter {quote(first.value)} must be on others, got itself"
        found.append(Mistake(rule, first.start))
    if found:
        raise Mistakes(found)
    return When(first.value, claim)


def _unknown(name: str, position: int, names: Names) -> Mistake:
    """Return the mistake that `parse` finds in a name."""
    try:
        parse(f"`{name}` < 0", names)
    except Mistakes as error:
        return Mistake(error.found[0].rule, position)
    raise AssertionError(name)


def _constraints(
    space: SearchSpace, shared: Mapping[str, tuple[int, str]], found: list[Violation]
) -> tuple[Expression, ...]:
    place, text = shared.get(PARAMETER_CONSTRAINTS.name, (0, ""))
    made: tuple[Expression, ...] = ()
    try:
        made = parse(text, _names(space))
    except Mistakes as error:
        found += [violation(PARAMETER_CONSTRAINTS, place, text, each) for each in error.found]
        return ()
    at = ("settings", place, "value")
    if text and not made:
        found.append(Violation(at, "setting 'parameter_constraints': must hold a constraint"))
    found += [
        Violation(
            at,
            "setting 'parameter_constraints': a constraint must name a parameter, got "
            f"{quote(each.text)}",
        )
        for each in made
        if not each.names
    ]
    return tuple(dict.fromkeys(made))


def _names(space: SearchSpace) -> Names:
    return {p.name: p.values if isinstance(p, Categorical) else None for p in space.parameters}
