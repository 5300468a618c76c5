"""Search spaces from Optuna's distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.spaces import Listed, Parameter, Range, number_text, whole

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def from_distribution(given: BaseDistribution, place: str) -> Parameter[object]:
    """Return the parameter that an Optuna distribution stands for.

    Raises:
        InvalidArgument: If it is of a kind that is not known here.
    """
    from optuna import distributions  # noqa: PLC0415

    made: Parameter[object]
    if isinstance(given, distributions.CategoricalDistribution):
        made = Listed(given.choices)
    elif isinstance(given, distributions.FloatDistribution | distributions.IntDistribution):
        is_int = isinstance(given, distributions.IntDistribution)
        step = given.step
        made = Range(
            whole if is_int else float,
            number_text(given.low),
            number_text(given.high),
            None if step is None or (is_int and step == 1) else number_text(step),
            "logUniform" if given.log else "uniform",
            is_int,
        )
    else:
        rule = "must be a float, int or categorical distribution"
        raise InvalidArgument([BrokenRule(place, f"{rule}, got {given!r:.80}")])
    return made
