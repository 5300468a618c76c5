"""Search spaces of Ray Tune."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, cast

from ray.tune.search.sample import (
    Categorical,
    Domain,
    Float,
    Integer,
    LogUniform,
    Normal,
    Quantized,
    Uniform,
)

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import (
    Listed,
    Parameter,
    integer,
    log_integer,
    log_uniform,
    normal,
    uniform,
)

#: Where a parameter is in a configuration: the keys that lead to it.
Path_: TypeAlias = tuple[object, ...]

#: What is at a path that leads nowhere.
NOTHING: Final = object()


def read_config(config: Mapping[str, object]) -> tuple[Space, Mapping[str, Path_]]:
    """Return the space of a ``param_space``, and where each parameter is in it.

    The name of a parameter has the keys that lead to it: ``model/depth``. What is neither a domain
    nor a parameter is a constant, which Ray adds to each configuration.

    Raises:
        InvalidArgument: With all domains that have no equivalent here.
    """
    parameters: dict[str, Parameter[object]] = {}
    paths: dict[str, Path_] = {}
    places: dict[str, str] = {}
    broken: list[BrokenRule] = []
    for path, entry in _walk(config, ()):
        name = "/".join(map(str, path))
        place = "param_space" + "".join(f"[{key!r}]" for key in path)
        try:
            found = _parameter(entry, place)
        except InvalidArgument as error:
            broken += error.broken
            continue
        if name in parameters:
            rule = f"must have a name of its own, got {name!r}, which another parameter has"
            broken.append(BrokenRule(place, rule))
        parameters[name], paths[name], places[name] = found, path, place
    space = Space(parameters, places)
    if parameters or not broken:
        try:
            _ = space.domain
        except InvalidArgument as error:
            broken += error.broken
    if broken:
        raise InvalidArgument(broken)
    return space, paths


def _walk(entry: object, path: Path_) -> Iterator[tuple[Path_, object]]:
    """Yield each domain and parameter with its path."""
    if isinstance(entry, Domain | Parameter) or _is_grid(entry):
        yield path, entry
    elif isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _walk(value, (*path, key))
    elif isinstance(entry, list | tuple):
        for index, value in enumerate(entry):
            for place, _ in _walk(value, (*path, index)):
                yield place, list  # no name for it


def _is_grid(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.keys() == {"grid_search"}


def _parameter(entry: object, place: str) -> Parameter[object]:
    """Return the parameter that a domain of Ray stands for.

    Raises:
        InvalidArgument: If there is none.
    """
    if isinstance(entry, Parameter):
        return entry
    if entry is list:
        raise InvalidArgument(
            [BrokenRule(place, "must not be in a list; give it a key of its own")]
        )
    if _is_grid(entry):
        rule = "grid_search is not supported; take ray.tune.choice and SuggestionSearcher('grid')"
        raise InvalidArgument([BrokenRule(place, rule)])
    domain = cast("Domain", entry)
    sampler = domain.get_sampler()
    step = None
    if isinstance(sampler, Quantized):
        step, sampler = sampler.q, sampler.sampler
    found: Parameter[object] | None = None
    if isinstance(domain, Float) and isinstance(sampler, Normal) and step is None:
        # As its own bounds say: three standard deviations from the mean.
        found = normal(sampler.mean - 3 * sampler.sd, sampler.mean + 3 * sampler.sd)
    elif isinstance(domain, Float) and isinstance(sampler, Uniform | LogUniform):
        make = log_uniform if isinstance(sampler, LogUniform) else uniform
        found = make(domain.lower, domain.upper, step=step)
    elif isinstance(domain, Integer) and isinstance(sampler, Uniform | LogUniform):
        least, most = domain.lower, domain.upper - 1
        if step is not None:  # its multiples, the upper bound included
            least, most = -(-domain.lower // step) * step, domain.upper // step * step
        whole = log_integer if isinstance(sampler, LogUniform) else integer
        found = whole(least, most, step=None if step == 1 else step)
    elif isinstance(domain, Categorical) and isinstance(sampler, Uniform):
        found = Listed(domain.categories)
    if found is None:
        kind = type(sampler if step is None else domain.sampler).__name__
        rule = f"must be uniform, normal or a choice, got {type(domain).__name__} with {kind}"
        raise InvalidArgument([BrokenRule(place, rule)])
    return found


def nest(values: Mapping[str, object], paths: Mapping[str, Path_]) -> dict[object, object]:
    """Return values by name as the configuration that has them at their paths."""
    made: dict[object, object] = {}
    for name, value in values.items():
        *before, last = paths[name]
        inner = made
        for key in before:
            inner = cast("dict[object, object]", inner.setdefault(key, {}))
        inner[last] = value
    return made


def at(config: object, path: Path_) -> object:
    """Return what a configuration has at a path; `NOTHING` if it has nothing there."""
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return NOTHING
        config = config[key]
    return config
