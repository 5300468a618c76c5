"""What an Optuna study cannot take, of what the algorithms can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from optuna.distributions import BaseDistribution

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.goals import Method

#: Settings that an Optuna study states in its own way.
_STATED: Final = {
    "objectives": "must be given as the directions of the study",
    "metric_constraints": "must be given as constraints_func, or by Trial.set_constraint",
}
#: Settings that are about the first trials too, which are sampled before the space is known.
_FROM_THE_FIRST: Final = ("conditions", "parameter_constraints", "initial_points")


def refused(method: Method, knows_space: bool) -> Iterator[BrokenRule]:
    """Yield each rule that algorithm and settings break.

    Args:
        knows_space: Whether the space is known before the first trial.
    """
    for name, rule in _STATED.items():
        if name in method.settings:
            yield BrokenRule(f"settings[{name!r}]", f"{rule}, got {method.settings[name]!r:.80}")
    for name in _FROM_THE_FIRST:
        if name in method.settings and not knows_space:
            rule = "needs the argument space, since Optuna tells the space only after a trial"
            yield BrokenRule(f"settings[{name!r}]", rule)


def read_distributions(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions by name, checked.

    Raises:
        InvalidArgument: With each that is none.
    """
    if not isinstance(space, Mapping):
        rule = f"must map names to Optuna's distributions, got {space!r:.80}"
        raise InvalidArgument([BrokenRule("space", rule)])
    broken = [
        BrokenRule(f"space[{name!r}]", f"must be one of Optuna's distributions, got {entry!r:.80}")
        for name, entry in space.items()
        if not isinstance(entry, BaseDistribution)
    ]
    if broken:
        raise InvalidArgument(broken)
    return dict(space)
