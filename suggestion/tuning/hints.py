"""Search spaces from type hints of functions and classes."""

from __future__ import annotations

import enum
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Final, Literal

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.reading import read_parameter
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import Listed, Parameter

_EMPTY: Final = inspect.Parameter.empty


def from_hints(source: Callable[..., object]) -> Space:
    """Return the space that the type hints of a function, a dataclass or a TypedDict declare.

    ``Annotated[float, uniform(0, 1)]`` and ``Annotated[int, [16, 32]]`` declare a parameter;
    ``Literal["a", "b"]``, ``bool`` and an Enum are choices by themselves. What has a default value
    and declares nothing keeps that value.

    Raises:
        InvalidArgument: With everything that neither declares a parameter nor has a default.
    """
    name = getattr(source, "__name__", type(source).__name__)
    parameters: dict[str, Parameter[object]] = {}
    places: dict[str, str] = {}
    broken: list[BrokenRule] = []
    for key, hint, has_default in _fields(source):
        place = f"{name}({key})"
        try:
            found: Parameter[object] | None = _parameter(hint, place, has_default)
        except InvalidArgument as error:
            broken += error.broken
            continue
        if found is not None:
            parameters[key], places[key] = found, place
        elif not has_default:
            rule = (
                "needs a type hint that says what it may be, such as "
                "Annotated[float, suggestion.uniform(0, 1)], or a default value"
            )
            broken.append(BrokenRule(place, rule))
    if broken:
        raise InvalidArgument(broken)
    return Space(parameters, places)


def _fields(source: Callable[..., object]) -> Iterator[tuple[str, object, bool]]:
    """Yield name, type hint and whether there is a default value."""
    hints = typing.get_type_hints(source, include_extras=True)
    if isinstance(source, type) and typing.is_typeddict(source):
        required: frozenset[str] = getattr(source, "__required_keys__", frozenset())
        for name, hint in hints.items():
            yield name, hint, name not in required
        return
    if isinstance(source, type):
        init: Callable[..., object] = getattr(source, "__init__")  # noqa: B009
        hints = {**typing.get_type_hints(init, include_extras=True), **hints}
    for name, parameter in inspect.signature(source).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        yield name, hints.get(name), parameter.default is not _EMPTY


def _parameter(hint: object, place: str, has_default: bool) -> Parameter[object] | None:
    if typing.get_origin(hint) is Annotated:
        for entry in typing.get_args(hint)[1:]:
            optuna = type(entry).__module__.partition(".")[0] == "optuna"
            if isinstance(entry, Parameter | list | tuple) or optuna:
                return read_parameter(entry, place)
    if has_default:
        return None
    values: tuple[object, ...] = ()
    if typing.get_origin(hint) is Literal:
        values = typing.get_args(hint)
    elif hint is bool:
        values = (False, True)
    elif isinstance(hint, enum.EnumMeta):
        values = tuple(hint)
    return Listed(values) if values else None
