"""Translate locations of violations from the words of the engine to those of the user's call."""

from __future__ import annotations

from typing import Final

from suggestion.problem.errors import Violation, quote
from suggestion.problem.locations import Location
from suggestion.tuning.errors import BrokenRule
from suggestion.tuning.goals import Method
from suggestion.tuning.space import Space

#: Parts of a parameter that users see under the same name.
_PARTS: Final = ("min", "max", "step")
_ARGUMENTS: Final = {
    "algorithm": "algorithm",
    "metrics": "minimize",
    "name": "name",
    "prior": "algorithm",
    "max_trial_count": "trials",
    "parallel_trial_count": "parallel",
}


def broken_rule(
    violation: Violation, method: Method, space: Space, argument: str = "settings"
) -> BrokenRule:
    """Return a violation that the engine has found, with its place in the user's call.

    Args:
        method: Whose settings it may be about.
        argument: Name of the argument that holds these settings.
    """
    rule = violation.description
    match violation.location:
        case ("settings", int(index), *_) if index < len(method.settings):
            return _broken_setting(argument, list(method.settings)[index], rule, method)
        case ("settings", str(name), *_):
            return _broken_setting(argument, name, rule, method)
        case ("settings", *_):
            return BrokenRule(argument, rule)
        case ("parameters", which, *part):
            names = list(space.parameters)
            name = names[which] if isinstance(which, int) else which
            return broken_parameter(space, name, tuple(part), rule)
        case ("metrics",):  # all of them: what an algorithm cannot do
            return BrokenRule("algorithm", rule)
        case (str(first), *_) if first in _ARGUMENTS:
            return BrokenRule(_ARGUMENTS[first], rule.removeprefix(f"{_ARGUMENTS[first]}: "))
    return BrokenRule("space", rule)


def _broken_setting(argument: str, name: str, rule: str, method: Method) -> BrokenRule:
    # The place names the setting already.
    subject = f"setting {quote(name)}"
    if rule.startswith(subject):
        rule = rule.removeprefix(subject).lstrip(",: ")
    return BrokenRule(name if name in method.declared else f"{argument}[{name!r}]", rule)


def broken_parameter(space: Space, name: str, part: Location, rule: str) -> BrokenRule:
    """Return what is wrong with the parameter `name`, or with a `part` of it."""
    where = f".{part[-1]}" if part and part[-1] in _PARTS else ""
    return BrokenRule(f"{space.place(name)}{where}", rule.removeprefix(f"parameter {name!r}: "))


def of_path(path: Location) -> Location:
    """Return the location that a path in a request of the v1beta1 API stands for."""
    match path:
        case ("experiment", *rest) | ("spec", *rest) | ("parameter_specs", *rest):
            return of_path(tuple(rest))
        case ("algorithm" | "early_stopping", "algorithm_settings", *rest):
            return ("settings", *rest)
        case ("objective", *rest):
            return ("metrics", *rest)
        case ("early_stopping", *_):
            return ("algorithm",)
    return path
