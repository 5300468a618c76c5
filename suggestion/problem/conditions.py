"""When a parameter is active: only then is it part of a point."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass

from suggestion.problem.errors import Violation, quote
from suggestion.problem.parameters import Parameter, Value


@dataclass(frozen=True, slots=True)
class Condition:
    """A parameter that is active only while another one is, and has one of certain values.

    A search space asks for no more than `parameter`, `parents` and `holds`. A parameter with
    several conditions is active where all of them hold.

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


def violations(
    conditions: Sequence[Condition], parameters: Mapping[str, Parameter]
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


def ordered(conditions: Sequence[Condition]) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    """Return each conditional parameter with its conditions, after those that it depends on."""
    left: dict[str, list[Condition]] = {}
    for condition in conditions:
        left.setdefault(condition.parameter, []).append(condition)
    found: list[tuple[str, tuple[Condition, ...]]] = []
    while ready := [name for name, own in left.items() if not _depends(own, left)]:
        found += [(name, tuple(left[name])) for name in ready]
        for name in ready:
            del left[name]
    return tuple(found)


def _unordered(conditions: Sequence[Condition]) -> set[str]:
    """Return the parameters whose activity is not decided, because of a circle."""
    return {c.parameter for c in conditions} - {name for name, _ in ordered(conditions)}


def _depends(own: Sequence[Condition], names: Collection[str]) -> bool:
    return any(parent in names for condition in own for parent in condition.parents)
