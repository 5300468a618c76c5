"""The plan of a round: its resources, and the number of configurations of each bracket."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

from suggestion.problem.errors import Violation, quote
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter, Value
from suggestion.problem.space import SearchSpace

Resource: TypeAlias = Int | Double

#: Largest number of times that the resource can be divided by eta.
MOST_RUNGS: Final = 100


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

    Such a resource is a placeholder in many Experiment files; its value is not meant. An `r_l` of
    1 or less leaves it as it is, because nothing says where the range begins.
    """
    if r_l <= 1:
        return declared
    parameters: list[Parameter] = []
    for parameter in declared.parameters:
        if parameter.name == resource_name and _is_placeholder(parameter):
            if isinstance(parameter, Double):
                parameters.append(Double(resource_name, 1, r_l))
                continue
            if r_l.is_integer():
                parameters.append(Int(resource_name, 1, int(r_l)))
                continue
        parameters.append(parameter)
    return replace(declared, parameters=tuple(parameters))


def _is_placeholder(parameter: Parameter) -> bool:
    return isinstance(parameter, Int | Double) and bool(parameter.min == parameter.max)


def violations(
    space: SearchSpace,
    resource_name: str,
    r_l: float,
    r_min: float | None,
    eta: float,
) -> Iterator[Violation]:
    """Yield the rules about the resource that the settings break; `space` is that of
    `search_space`, and `r_min` as for `plan`.
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
    yield from _restricted(space, resource_name)
    name, least, most = quote(resource_name), parameter.min, parameter.max
    if _is_placeholder(parameter) and most != r_l and r_l <= 1:
        yield Violation(
            ("settings", "r_l"),
            f"setting 'r_l' must be greater than 1, as parameter {name} has min = max, got {r_l:g}",
        )
    elif _is_placeholder(parameter) and most != r_l:  # an int, or search_space had replaced it
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
    elif r_min is not None and r_min > r_l:
        yield Violation(
            ("settings", "r_min"), f"setting 'r_min' must not exceed r_l = {r_l:g}, got {r_min:g}"
        )
    else:
        yield from _too_many_or_few(parameter, r_l, r_min, eta)


def _restricted(space: SearchSpace, resource_name: str) -> Iterator[Violation]:
    """Yield what conditions and constraints say of the resource, which a plan decides."""
    name = quote(resource_name)
    if any(resource_name in (each.parameter, *each.parents) for each in space.conditions):
        yield Violation(
            ("conditions",), f"conditions must not be about the resource, got parameter {name}"
        )
    for constraint in space.constraints:
        if resource_name in constraint.names:
            yield Violation(
                ("constraints",),
                f"constraints must not be about the resource, parameter {name}, got "
                f"{quote(constraint.text)}",
            )


def _too_many_or_few(
    parameter: Resource, r_l: float, r_min: float | None, eta: float
) -> Iterator[Violation]:
    lowest = _first_value(parameter, r_min)
    if math.log(r_l) - _log(lowest) > MOST_RUNGS * math.log(eta):
        yield Violation(
            ("settings", "eta"),
            f"setting 'eta' must divide r_l = {r_l:g} at most {MOST_RUNGS} times before it "
            f"falls below {float(lowest):g}, got {eta!r}",
        )
    elif len(plan(parameter, r_l, r_min, eta).resources) < 2:
        yield Violation(
            ("settings", "r_l"),
            f"setting 'r_l' must leave two rungs or more: r_l / eta must not be below "
            f"{float(lowest):g}, the least resource of parameter {quote(parameter.name)} "
            f"({'r_min' if r_min else 'its min where that is above 0, else 1'}), got "
            f"r_l = {r_l:g} and eta = {eta:g}",
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
    below = parameter.lattice.floor(_decimal(resource))
    assert parameter.levels is not None
    return parameter.value(below), parameter.value(min(below + 1, parameter.levels - 1))


def _decimal(number: float) -> Fraction:
    """Return the decimal that `number` is written as: 0.3 divided by 3 is 0.1."""
    return Fraction(str(number))


def _log(number: Fraction) -> float:
    return math.log(number.numerator) - math.log(number.denominator)


@lru_cache(maxsize=64)
def plan(parameter: Resource, r_l: float, r_min: float | None, eta: float) -> Plan:
    """Return the brackets s = s_max .. 0 of [Li2018]_, algorithm 1, in values of `parameter`.

    A resource r_l * eta^-s is rounded down, so a bracket spends no more than in the paper. Rungs
    that are rounded to the same resource become one, of the size of the first; brackets that then
    begin at the same resource become one, the one with the most configurations.

    Unlike the paper, whose least resource is 1, it is `r_min`, raised to the parameter's min: the
    paper's R is r_l divided by it.

    Args:
        r_l: Largest resource of a configuration, a value of `parameter`.
        r_min: Smallest resource, above 0; if None the lesser of 1 and the parameter's min, or 1
            where that min is not above 0.
    """
    most, divisor = _decimal(r_l), _decimal(eta)
    least = _first_value(parameter, r_min)
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


def _first_value(parameter: Resource, r_min: float | None) -> Fraction:
    """Return the least resource: a value of `parameter`, above 0 unless all others are as well."""
    least = _decimal(parameter.min)
    lowest = min(Fraction(1), least) if r_min is None else _decimal(r_min)
    if lowest <= 0:
        lowest = Fraction(1)
    if parameter.levels is None:
        return max(lowest, least)
    level = parameter.lattice.floor(lowest)
    if parameter.lattice.exact(level) < lowest and level + 1 < parameter.levels:
        level += 1
    return parameter.lattice.exact(level)


def _round_down(parameter: Resource, resource: Fraction) -> Value:
    if parameter.levels is None:
        return float(resource)
    return parameter.value(parameter.lattice.floor(resource))
