"""The plan of a round: its resources, and the number of configurations of each bracket."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

from suggestion.problem.errors import Violation, quote
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter, Value
from suggestion.problem.space import SearchSpace

Resource: TypeAlias = Int | Double

#: Largest number of times that the resource can be divided by eta.
MOST_RUNGS: Final = 1000


@dataclass(frozen=True, slots=True)
class Bracket:
    """One bracket of successive halving.

    Attributes:
        start: Level of its first rung, an index of `Plan.resources`.
        sizes: Configurations in each rung, the first at level `start`, the last at `r_l`.
    """

    start: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One round of Hyperband [Li2018]_.

    Attributes:
        resources: Values of the resource, ascending; the last one is ``r_l``.
        brackets: In the order of their start, the one with the most configurations first.
    """

    resources: tuple[Value, ...]
    brackets: tuple[Bracket, ...]

    @property
    def top(self) -> int:
        """Level of ``r_l``."""
        return len(self.resources) - 1

    @property
    def configurations(self) -> int:
        """Number of new configurations in a round."""
        return sum(bracket.sizes[0] for bracket in self.brackets)


def search_space(declared: SearchSpace, resource_name: str, r_l: float) -> SearchSpace:
    """Return `declared` with a range from 1 to `r_l` for a resource with min = max.

    Such a resource is a placeholder in many Experiment files; its value is not meant.
    """
    parameters: list[Parameter] = []
    for parameter in declared.parameters:
        if parameter.name == resource_name and _is_placeholder(parameter):
            if isinstance(parameter, Double):
                parameters.append(Double(resource_name, 1, r_l))
                continue
            if r_l.is_integer() and r_l < 2**63:
                parameters.append(Int(resource_name, 1, int(r_l)))
                continue
        parameters.append(parameter)
    return SearchSpace(tuple(parameters))


def _is_placeholder(parameter: Parameter) -> bool:
    return isinstance(parameter, Int | Double) and bool(parameter.min == parameter.max)


def violations(
    space: SearchSpace,
    resource_name: str,
    r_l: float,
    lowest: float,
    eta: float,
) -> Iterator[Violation]:
    """Yield the rules about the resource that the settings break; `space` is that of
    `search_space`.
    """
    parameter = next((p for p in space.parameters if p.name == resource_name), None)
    if parameter is None:
        names = ", ".join(quote(p.name) for p in space.parameters)
        yield Violation(
            ("settings", "resource_name"),
            f"setting 'resource_name' must name a parameter ({names}), got {quote(resource_name)}",
        )
        return
    if not isinstance(parameter, Int | Double):
        yield Violation(
            ("settings", "resource_name"),
            f"setting 'resource_name' must name an int or double parameter, got "
            f"{quote(resource_name)}",
        )
        return
    name, least, most = quote(resource_name), parameter.min, parameter.max
    if _is_placeholder(parameter) and most != r_l:  # an int, or search_space had replaced it
        yield Violation(
            ("settings", "r_l"),
            f"setting 'r_l' must be an integer, as parameter {name} is an int, got {r_l:g}",
        )
    elif not least <= r_l <= most:
        yield Violation(
            ("settings", "r_l"),
            f"setting 'r_l' must be in the range {least} to {most} of parameter {name}, "
            f"got {r_l:g}",
        )
    elif _held(parameter, r_l) is None:
        below, above = _neighbours(parameter, r_l)
        yield Violation(
            ("settings", "r_l"),
            f"setting 'r_l' must be a value of parameter {name} (nearest: {below} "
            f"and {above}), got {r_l:g}",
        )
    elif lowest > r_l:
        yield Violation(
            ("settings", "r_min"), f"setting 'r_min' must not exceed r_l = {r_l:g}, got {lowest:g}"
        )
    elif math.log(r_l) - math.log(lowest) > MOST_RUNGS * math.log(eta):
        yield Violation(
            ("settings", "eta"),
            f"setting 'eta' must divide r_l = {r_l:g} at most {MOST_RUNGS} times before it "
            f"falls below {lowest:g}, got {eta!r}",
        )


def _held(parameter: Resource, resource: float) -> Value | None:
    """Return `resource` as a value of `parameter`, or None if it is not one."""
    value: Value = resource
    if isinstance(parameter, Int):
        if not float(resource).is_integer():
            return None
        value = int(resource)
    return value if value in parameter else None


def _neighbours(parameter: Resource, resource: float) -> tuple[Value, Value]:
    below = _level_below(parameter, Fraction(resource))
    assert parameter.levels is not None
    return parameter.value(below), parameter.value(min(below + 1, parameter.levels - 1))


def _level_below(parameter: Resource, resource: Fraction) -> int:
    """Return the last level whose value does not exceed `resource`, or the first one."""
    level = parameter.level(math.floor(resource) if isinstance(parameter, Int) else float(resource))
    while level > 0 and Fraction(parameter.value(level)) > resource:
        level -= 1
    return level


@lru_cache(maxsize=64)
def plan(parameter: Resource, r_l: float, lowest: float, eta: float) -> Plan:
    """Return the brackets s = s_max .. 0 of [Li2018]_, algorithm 1, in values of `parameter`.

    A resource r_l * eta^-s is rounded down, so a bracket spends no more than in the paper. Rungs
    that are rounded to the same resource become one, of the size of the first; brackets that then
    begin at the same resource become one, the one with the most configurations.

    Unlike the paper, whose least resource is 1, `lowest` or the parameter's min may raise it: the
    paper's R is r_l divided by it.

    Args:
        r_l: Largest resource of a configuration, a value of `parameter`.
        lowest: Smallest resource, at least 1.
    """
    most, divisor = Fraction(r_l), Fraction(str(eta))
    least = _first_value(parameter, Fraction(lowest))
    # exact[s] = r_l * eta^-s; s_max = floor(log_eta(R)) without the rounding of a logarithm.
    exact = [most]
    while exact[-1] / divisor >= least and len(exact) <= MOST_RUNGS:
        exact.append(exact[-1] / divisor)
    s_max = len(exact) - 1
    rounded = [_round_down(parameter, resource) for resource in exact]
    rounded[0] = _held(parameter, r_l) or rounded[0]
    resources = tuple(sorted(set(rounded)))
    level_of = {resource: level for level, resource in enumerate(resources)}
    brackets: dict[int, Bracket] = {}
    for s in range(s_max, -1, -1):
        start = level_of[rounded[s]]
        if start in brackets:
            continue
        # Line 2: n = ceil(B/R * eta^s / (s+1)) with B = (s_max+1) R.
        n = math.ceil(Fraction(s_max + 1, s + 1) * divisor**s)
        sizes: dict[Value, int] = {}
        for i in range(s + 1):
            sizes.setdefault(rounded[s - i], math.floor(n / divisor**i))  # line 4
        brackets[start] = Bracket(start, tuple(sizes.values()))
    return Plan(resources, tuple(brackets.values()))


def _first_value(parameter: Resource, lowest: Fraction) -> Fraction:
    """Return the least value of `parameter` that is not below `lowest`, which is below its max."""
    if parameter.levels is None:
        return max(lowest, Fraction(parameter.min))
    level = _level_below(parameter, lowest)
    if Fraction(parameter.value(level)) < lowest and level + 1 < parameter.levels:
        level += 1
    return Fraction(parameter.value(level))


def _round_down(parameter: Resource, resource: Fraction) -> Value:
    if parameter.levels is None:
        return float(resource)
    return parameter.value(_level_below(parameter, resource))
