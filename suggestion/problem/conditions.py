"""When a parameter is active: only then is it part of a point."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from suggestion.problem.errors import Violation, quote
from suggestion.problem.expressions import Expression
from suggestion.problem.parameters import Parameter, Value


class Activation(Protocol):
    """What decides whether a parameter is active; if several do, all of them must hold."""

    @property
    def parameter(self) -> str:
        """Name of the parameter."""
        ...

    @property
    def parents(self) -> tuple[str, ...]:
        """The parameters whose values decide."""
        ...

    def holds(self, assignment: Mapping[str, Value]) -> bool:
        """Whether it is met by `assignment`, which lacks inactive parameters."""
        ...


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter that is active only while another one is, and has one of certain values.

    Attributes:
        parameter: Name of the parameter.
        parent: Name of the other one.
        values: A tuple, a range, or anything else that can be hashed and tells what is in it.
    """

    parameter: str
    parent: str
    values: Container[Value]

    @property
    def parents(self) -> tuple[str, ...]:
        """The parameters whose values decide."""
        return (self.parent,)

    def holds(self, assignment: Mapping[str, Value]) -> bool:
        """Whether it is met by `assignment`, which lacks inactive parameters."""
        return self.parent in assignment and assignment[self.parent] in self.values


@dataclass(frozen=True, slots=True)
class When:
    """A parameter that is active where an expression about others is true.

    A comparison with an inactive parameter is false.

    Attributes:
        parameter: Name of the parameter.
        expression: About other parameters.
    """

    parameter: str
    expression: Expression

    @property
    def parents(self) -> tuple[str, ...]:
        """The parameters whose values decide."""
        return self.expression.names

    def holds(self, assignment: Mapping[str, Value]) -> bool:
        """Whether it is met by `assignment`, which lacks inactive parameters."""
        return self.expression.at(assignment)


def violations(
    conditions: Sequence[Activation], parameters: Mapping[str, Parameter]
) -> list[Violation]:
    """Return the rules that `conditions` on `parameters` break."""
    found = []
    for index, condition in enumerate(conditions):
        subject = f"condition of parameter {quote(condition.parameter)}"
        unknown = [n for n in (condition.parameter, *condition.parents) if n not in parameters]
        if unknown:
            rule = f"must be about parameters of the space, got {', '.join(map(quote, unknown))}"
            found.append(Violation(("conditions", index), f"{subject}: {rule}"))
        elif condition.parameter in condition.parents:
            rule = "must be on another parameter, got itself"
            found.append(Violation(("conditions", index), f"{subject}: {rule}"))
    if not found and (circle := _unordered(conditions)):
        names = ", ".join(map(quote, sorted(circle)))
        found.append(Violation(("conditions",), f"conditions must not be circular, got {names}"))
    return found


def ordered(conditions: Sequence[Activation]) -> tuple[tuple[str, tuple[Activation, ...]], ...]:
    """Return each conditional parameter with its conditions, after those that it depends on."""
    left: dict[str, list[Activation]] = {}
    for condition in conditions:
        left.setdefault(condition.parameter, []).append(condition)
    found: list[tuple[str, tuple[Activation, ...]]] = []
    while ready := [name for name, own in left.items() if not _depends(own, left)]:
        found += [(name, tuple(left[name])) for name in ready]
        for name in ready:
            del left[name]
    return tuple(found)


def _unordered(conditions: Sequence[Activation]) -> set[str]:
    """Return the parameters whose activity is not decided, because of a circle."""
    return {c.parameter for c in conditions} - {name for name, _ in ordered(conditions)}


def _depends(own: Sequence[Activation], names: Collection[str]) -> bool:
    return any(parent in names for condition in own for parent in condition.parents)
