"""The settings ``objectives`` and ``metric_constraints``: what is asked of additional metrics.

``latency: minimize; accuracy: maximize`` declares further objectives beside the main one, and
``memory <= 8e9; 0.1 < latency < 0.2`` bounds. Bounds are written in the language of `expressions`,
of which these forms alone are taken: a name and a number with ``<``, ``<=``, ``>`` or ``>=``
between them, in either order, and a name between two numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, NoReturn

from suggestion.engine.mistakes import violation
from suggestion.engine.settings import Setting
from suggestion.problem.errors import Violation, quote
from suggestion.problem.expressions import expression
from suggestion.problem.problem import Goal, Metric, Role
from suggestion.problem.spelling import likely_meant
from suggestion.problem.tokens import (
    LONGEST_TEXT,
    WORDS,
    Mistake,
    Mistakes,
    Statement,
    Token,
    statements,
)

#: Most objectives of a problem, the main one included.
MOST_OBJECTIVES: Final = 8

OBJECTIVES: Final = Setting(
    name="objectives",
    kind=str,
    default=None,
    help="Additional metrics that are objectives too: latency: minimize; accuracy: maximize.",
)
METRIC_CONSTRAINTS: Final = Setting(
    name="metric_constraints",
    kind=str,
    default=None,
    help="Bounds on additional metrics: memory <= 8e9; latency < 0.2.",
)

_GOALS: Final = {goal.value: goal for goal in Goal}
_STATEMENT: Final = re.compile(r"(?:`[^`]*`?|[^;`])+")
_SIDES: Final = {"<": Goal.MINIMIZE, "<=": Goal.MINIMIZE, ">": Goal.MAXIMIZE, ">=": Goal.MAXIMIZE}
_FORM: Final = (
    "a bound must read NAME < NUMBER, NUMBER < NAME or NUMBER < NAME < NUMBER, with <, <=, > or >="
)


def declare(
    metrics: Sequence[Metric], shared: Mapping[str, tuple[int, str]], found: list[Violation]
) -> tuple[Metric, ...]:
    """Return `metrics` with the roles that the settings of a problem declare.

    Args:
        metrics: Of the problem, the main objective first.
        shared: By name, the place and text of settings that every algorithm shares.
        found: Gets everything that is wrong with them.
    """
    added: list[Metric] = []
    readers = ((OBJECTIVES, _objectives), (METRIC_CONSTRAINTS, _bounds))
    for setting, read in readers:
        place, text = shared.get(setting.name, (0, ""))
        mistakes: list[Mistake] = []
        made = list(read(text, metrics, mistakes))
        if text and not made and not mistakes:
            noun = "an objective" if setting is OBJECTIVES else "a bound"
            mistakes.append(Mistake(f"must hold {noun}, got none", 0))
        found += [violation(setting, place, text, mistake) for mistake in mistakes]
        added += made
    named = {metric.name for metric in added}
    kept = [m for m in metrics if m.role is not Role.REPORTED]
    reported = [m for m in metrics if m.role is Role.REPORTED and m.name not in named]
    return (*kept, *added, *reported)


def bounded(text: str) -> tuple[str, ...]:
    """Return the metrics that the bounds in `text` name, each once; some, if it has mistakes."""
    found: dict[str, None] = {}
    try:
        for statement in statements(text):
            for token in statement.tokens:
                if token.kind in ("name", "quoted") and token.text not in WORDS:
                    found[token.value] = None
    except Mistake:  # `declare` tells it
        pass
    return tuple(found)


# ------------------------------------------------------------------ objectives


def _objectives(text: str, metrics: Sequence[Metric], mistakes: list[Mistake]) -> Iterator[Metric]:
    """Yield the further objectives that `text` declares."""
    if len(text) > LONGEST_TEXT:
        rule = f"must have at most {LONGEST_TEXT} characters, got {len(text)}"
        mistakes.append(Mistake(rule, LONGEST_TEXT))
        return
    seen = {metric.name for metric in metrics if metric.role is Role.OBJECTIVE}
    for match in _STATEMENT.finditer(text):
        statement = match[0].strip()
        if not statement:
            continue
        position = match.start() + len(match[0]) - len(match[0].lstrip())
        try:
            metric = _objective(statement, position, metrics)
            if metric.name in seen:
                rule = f"objectives must be different metrics, got {quote(metric.name)} again"
                raise Mistake(rule, position)
            if len(seen) == MOST_OBJECTIVES:
                rule = f"there must be at most {MOST_OBJECTIVES} objectives, the main one included"
                raise Mistake(f"{rule}, got {quote(metric.name)} too", position)
        except Mistake as mistake:
            mistakes.append(mistake)
            continue
        seen.add(metric.name)
        yield metric


def _objective(statement: str, position: int, metrics: Sequence[Metric]) -> Metric:
    """Return the objective that ``NAME: minimize`` declares.

    Raises:
        Mistake: If it declares none.
    """
    written, colon, goal = (part.strip() for part in statement.rpartition(":"))
    if not colon or not written:
        rule = "an objective must read NAME: minimize or NAME: maximize"
        raise Mistake(f"{rule}, got {quote(statement)}", position)
    quoted = len(written) > 2 and written[0] == written[-1] == "`"
    name = written[1:-1] if quoted else written
    if name not in {metric.name for metric in metrics}:
        names = [metric.name for metric in metrics if metric.role is Role.REPORTED]
        raise Mistake(_unknown(name, names), position)
    if goal not in _GOALS:
        close = likely_meant(goal, _GOALS)
        meant = f"; did you mean {quote(close)}?" if close else ""
        rule = f"{quote(name)} must be followed by minimize or maximize, got {quote(goal)}{meant}"
        raise Mistake(rule, position + statement.rindex(":") + 1)
    return Metric(name, _GOALS[goal])


def _unknown(name: str, names: Sequence[str]) -> str:
    listed = ", ".join(map(quote, names[:20])) + (", ..." if len(names) > 20 else "")
    close = likely_meant(name, names)
    meant = f"; did you mean {quote(close)}?" if close else ";"
    return f"no additional metric is called {quote(name)}{meant} there is {listed or 'none'}"


# ---------------------------------------------------------------------- bounds


class _Number(NamedTuple):
    """A side of a bound that is a number; other sides are names."""

    value: float


def _bounds(text: str, metrics: Sequence[Metric], mistakes: list[Mistake]) -> Iterator[Metric]:
    """Yield the constraints that `text` declares."""
    made: dict[tuple[str, Goal], Metric] = {}
    try:
        for statement in statements(text):
            try:
                for bound in _bounds_of(text, statement, metrics):
                    _add(made, bound, statement.tokens[0].start)
                    yield bound
            except Mistakes as error:
                mistakes += error.found
            except Mistake as mistake:
                mistakes.append(mistake)
    except Mistake as mistake:
        mistakes.append(mistake)


def _add(made: dict[tuple[str, Goal], Metric], bound: Metric, position: int) -> None:
    """Add a bound to those of its metric.

    Raises:
        Mistake: If nothing can meet them, or one is on the same side.
    """
    other = made.setdefault((bound.name, bound.goal), bound)
    if other is not bound:
        rule = f"{quote(bound.name)} must have one bound on each side"
        raise Mistake(f"{rule}, got {other.rule} and {bound.rule}", position)
    upper = made.get((bound.name, Goal.MINIMIZE))
    lower = made.get((bound.name, Goal.MAXIMIZE))
    if upper is None or lower is None:
        return
    assert upper.bound is not None
    assert lower.bound is not None
    touching = upper.bound == lower.bound and (upper.strict or lower.strict)
    if lower.bound > upper.bound or touching:
        rule = f"no {quote(bound.name)} meets both {lower.rule} and {upper.rule}"
        raise Mistake(rule, position)


def _bounds_of(text: str, statement: Statement, metrics: Sequence[Metric]) -> list[Metric]:
    """Return the one or two bounds of a statement.

    Raises:
        Mistakes: If it breaks a rule of the language.
        Mistake: If it is in the language, but no bound.
    """
    main = metrics[0].name
    for token in statement.tokens:
        if token.kind in ("name", "quoted") and token.value == main:
            rule = f"{quote(main)} is the main objective; bounds are for additional metrics"
            raise Mistake(rule, token.start)
    additional = [metric.name for metric in metrics if metric.name != main]
    expression(text, statement, dict.fromkeys(additional))
    sides, signs = _sides(statement.tokens)
    names = [(k, side) for k, side in enumerate(sides) if isinstance(side, Token)]
    if len(names) != 1 or len(sides) > 3 or (len(sides) == 3 and names[0][0] != 1):
        token = names[1][1] if len(names) > 1 else statement.tokens[0]
        _refuse(f"got {quote(text[statement.tokens[0].start : statement.end].strip())}", token)
    place, token = names[0]
    found = []
    for k, sign in enumerate(signs):
        number = sides[k + 1] if k == place else sides[k]
        assert isinstance(number, _Number)
        goal = _SIDES[sign]
        if k < place:  # the number is on the left
            goal = Goal.MAXIMIZE if goal is Goal.MINIMIZE else Goal.MINIMIZE
        strict = "=" not in sign
        found.append(Metric(token.value, goal, Role.CONSTRAINT, number.value + 0.0, strict))
    return found


def _sides(tokens: Sequence[Token]) -> tuple[list[_Number | Token], list[str]]:
    """Return what a statement of the language compares, and the signs in between.

    Raises:
        Mistake: If it does something else.
    """
    sides: list[_Number | Token] = []
    signs: list[str] = []
    left = iter(tokens)
    for token in left:
        factor = 1.0
        if token.text in ("+", "-"):
            factor = -1.0 if token.text == "-" else 1.0
            token = next(left)  # noqa: PLW2901  (a sentence of the language does not end here)
            if token.kind != "number":
                _refuse(f"got {quote(token.text)} after a sign", token)
        if token.kind == "number":
            sides.append(_Number(factor * float(token.text)))
        elif token.kind in ("name", "quoted") and token.text not in WORDS:
            sides.append(token)
        else:
            _refuse(f"got {quote(token.text)}", token)
        sign = next(left, None)
        if sign is None:
            break
        if sign.text not in _SIDES:
            _refuse(f"got {quote(sign.text)}", sign)
        signs.append(sign.text)
    return sides, signs


def _refuse(got: str, token: Token) -> NoReturn:
    raise Mistake(f"{_FORM}, {got}", token.start)
