"""Initial points: assignments that are tried first, in their order."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from suggestion.engine import documents
from suggestion.engine.declared import INITIAL_POINTS
from suggestion.engine.documents import Pairs, shown
from suggestion.numerics.sampling import draws
from suggestion.problem.architectures import ASSIGNED, ArchitectureSpace
from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter, Value
from suggestion.problem.problem import Problem
from suggestion.problem.space import Assignment, SearchSpace

#: Limits of the setting: its characters, and points in it.
LONGEST_TEXT: Final = 1_000_000
MOST_POINTS: Final = 1_000
#: Random values that are tried for what a partial point lacks.
MOST_COMPLETIONS: Final = 1_024
_CHUNK: Final = 64


def read(
    problem: Problem,
    shared: Mapping[str, tuple[int, str]],
    seed: int,
    check: Callable[[], None],
) -> tuple[Assignment, ...]:
    """Return the initial points of an experiment; partial ones lack parameters.

    Args:
        shared: As `declared.given` returns them.
        seed: Decides how partial points are completed.
        check: Called between points; what it raises ends the search for what they lack.

    Raises:
        Invalid: With everything that is wrong with them.
    """
    place, text = shared.get(INITIAL_POINTS.name, (0, "[]"))
    found = Violations()

    def refuse(rule: str) -> None:
        at = ("settings", place, "value")
        found.append(Violation(at, f"setting {quote(INITIAL_POINTS.name)}{rule}"))

    entries = _entries(text, refuse)
    points: list[Assignment] = []
    whole: dict[object, int] = {}  # by what makes them equal, the number of the first
    most = problem.max_trial_count
    if most and len(entries) > most:
        refuse(f": must hold at most max_trial_count = {most} points, got {len(entries)}")
    for number, entry in enumerate(entries, 1):
        before = len(found)
        point = _point(problem.space, number, entry, refuse)
        if len(found) > before:
            continue
        check()
        complete = problem.space.is_complete(point)
        same = whole.setdefault(problem.space.key(point), len(points) + 1) if complete else None
        if same is not None and same <= len(points):
            refuse(f", point {number}: points must differ, got point {same} again")
        elif not complete:
            free = not problem.space.restricted  # whatever it lacks can be added
            if (
                not free
                and completed(problem.space, seed, number - 1, point, {}, (), check) is None
            ):
                refuse(
                    f", point {number}: must be a part of a feasible point, and none was found "
                    f"among {MOST_COMPLETIONS}"
                )
        elif not problem.space.feasible(point):
            broken = next(e for e in problem.space.constraints if not _met(e, point))
            got = ", ".join(f"{name} = {point[name]}" for name in broken.names)
            refuse(f", point {number}: must meet the constraint {quote(broken.text)}, got {got}")
        points.append(point)
    if found:
        raise Invalid(found)
    return tuple(points)


def _met(expression: Any, point: Assignment) -> bool:
    return not all(name in point for name in expression.names) or expression.at(point)


def _entries(text: str, refuse: Callable[[str], None]) -> Sequence[Any]:
    """Return the list that `text` writes; empty if it writes none."""
    try:
        entries = documents.parse(text, LONGEST_TEXT, "a JSON list of objects")
    except ValueError as error:
        refuse(f": {error}")
        return ()
    if not isinstance(entries, list) or not all(isinstance(each, Pairs) for each in entries):
        refuse(f": must be a JSON list of objects, got {quote(text)}")
        return ()
    if len(entries) > MOST_POINTS:
        refuse(f": must hold at most {MOST_POINTS} points, got {len(entries)}")
        return ()
    return entries


def _point(
    space: SearchSpace, number: int, entry: Pairs, refuse: Callable[[str], None]
) -> Assignment:
    """Return the values of one entry, active ones only as far as that is known."""
    if isinstance(space, ArchitectureSpace):
        return _architecture(space, number, entry, refuse)
    values: dict[str, Value] = {}
    known = {parameter.name: parameter for parameter in space.parameters}
    subject = f", point {number}"
    seen: set[str] = set()
    for name, given in entry:
        parameter = known.get(name)
        if parameter is None:
            listed = ", ".join(map(quote, [*known][:20]))
            refuse(f"{subject}: must name parameters ({listed}), got {quote(name)}")
        elif name in seen:
            refuse(f"{subject}: a parameter must not be named twice, got {quote(name)}")
        else:
            seen.add(name)
            value = _value(parameter, given)
            if value is None:
                refuse(
                    f"{subject}: parameter {quote(name)} {rule_of(parameter)}, got {shown(given)}"
                )
            else:
                values[name] = value
    return space.active(values) if len(values) == space.dimension else values


def _architecture(
    space: ArchitectureSpace, number: int, entry: Pairs, refuse: Callable[[str], None]
) -> Assignment:
    """Return the architecture of one entry: text or lists, as trials receive it."""
    (name, given), *others = [*entry, ("", None)]
    text = given if isinstance(given, str) else json.dumps(given)
    values = space.parse({name: text})
    # A trial of a larger graph says something about this one; a point to begin with must be of it.
    whole = space.is_complete(values) and json.loads(text) == json.loads(
        space.format(values)[ASSIGNED[0]]
    )
    if len(others) > 1 or not whole:
        got = ", ".join(f"{quote(each)}: {shown(value)}" for each, value in entry[:3]) or "nothing"
        rule = f"must be a whole {quote(ASSIGNED[0])} of the graph, such as [[0], [1, 0]]"
        refuse(f", point {number}: {rule}, got {got}")
    return values


def _value(parameter: Parameter, given: Any) -> Value | None:
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    value = parameter.parse(given if isinstance(given, str) else repr(given))
    return value if value is not None and value in parameter else None


def rule_of(parameter: Parameter) -> str:
    """Say which values a parameter may have, as the end of a sentence."""
    if isinstance(parameter, Double | Int):
        step = f" in steps of {parameter.step}" if parameter.step not in (None, 1) else ""
        whole = "a whole number" if isinstance(parameter, Int) else "a number"
        return f"must be {whole} from {parameter.min} to {parameter.max}{step}"
    count = parameter.levels or 0
    few = [parameter.format(parameter.value(level)) for level in range(min(count, 10))]
    return f"must be one of {', '.join(few)}{', ...' if count > len(few) else ''}"


def completed(
    space: SearchSpace,
    seed: int,
    index: int,
    point: Assignment,
    base: Assignment,
    taken: Collection[object],
    check: Callable[[], None],
) -> Assignment | None:
    """Return initial point `index` with the values that it lacks; None if nothing is found.

    Args:
        seed: Decides about random values.
        point: What is given.
        base: Where values are taken from first, the algorithm's own suggestion.
        taken: Keys of points that it must differ from.
        check: Called between steps; what it raises ends the search.
    """

    def merged(more: Assignment) -> Assignment:
        return space.active({**more, **base, **point})

    def fits(assignment: Assignment) -> bool:
        return assignment in space and space.key(assignment) not in taken

    if fits(found := merged({})):
        return found
    flat = SearchSpace(space.parameters)  # draws must hold inactive parameters too
    # The first one fits as a rule.
    for first, last in pairwise((0, 1, *range(_CHUNK, MOST_COMPLETIONS + 1, _CHUNK))):
        check()
        start = index * MOST_COMPLETIONS + first
        for more in draws(flat, seed, start, last - first, "initial", check=check):
            for candidate in (merged(more), space.active({**base, **more, **point})):
                if fits(candidate):
                    return candidate
    return None
