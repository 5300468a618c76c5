"""Search spaces from ConfigSpace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import Listed, Parameter, Range, number_text, plain, whole


def from_configspace(given: Any) -> Space:
    """Return the space that a ``ConfigSpace.ConfigurationSpace`` describes.

    An ordinal hyperparameter of numbers keeps its order; another one becomes a choice.

    Raises:
        InvalidArgument: With every condition, forbidden clause and distribution that has no
            equivalent here.
    """
    broken = [
        BrokenRule("space", f"{what} are not supported, got {entry}")
        for what, entries in (
            ("conditions", given.conditions),
            ("forbidden clauses", given.forbidden_clauses),
        )
        for entry in entries
    ]
    parameters: dict[str, Parameter[object]] = {}
    places: dict[str, str] = {}
    for name, entry in given.items():
        places[name] = f"space[{name!r}]"
        rules = list(_rules(entry))
        broken += [BrokenRule(places[name], rule) for rule in rules]
        if not rules:
            parameters[name] = _parameter(entry)
    if broken:
        raise InvalidArgument(broken)
    return Space(parameters, places)


def _rules(entry: Any) -> Iterator[str]:
    """What cannot be said of `entry` here."""
    from ConfigSpace import hyperparameters as kinds  # noqa: PLC0415

    known = (
        kinds.UniformFloatHyperparameter,
        kinds.UniformIntegerHyperparameter,
        kinds.CategoricalHyperparameter,
        kinds.OrdinalHyperparameter,
        kinds.Constant,
    )
    if not isinstance(entry, known):
        yield f"must be uniform, categorical, ordinal or constant, got {entry}"
    elif isinstance(entry, kinds.CategoricalHyperparameter):
        probabilities = list(entry.probabilities)
        if max(probabilities) - min(probabilities) > 1e-12:
            yield f"choices must have equal weights, got weights {probabilities}"


def _parameter(entry: Any) -> Parameter[object]:
    from ConfigSpace import hyperparameters as kinds  # noqa: PLC0415

    if isinstance(entry, kinds.CategoricalHyperparameter):
        return Listed(plain(value) for value in entry.choices)
    if isinstance(entry, kinds.OrdinalHyperparameter):
        values = [plain(value) for value in entry.sequence]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        return Listed(values, ordered=numbers)
    if isinstance(entry, kinds.Constant):
        return Listed([plain(entry.value)])
    is_int = isinstance(entry, kinds.UniformIntegerHyperparameter)
    return Range(
        whole if is_int else float,
        number_text(plain(entry.lower)),
        number_text(plain(entry.upper)),
        None,
        "logUniform" if entry.log else "uniform",
        is_int,
    )
