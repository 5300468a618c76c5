"""Read a search space from the forms in which users have one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import Listed, Parameter

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class ConfigurationSpaceLike(Protocol):
    """A ``ConfigSpace.ConfigurationSpace``."""

    @property
    def conditions(self) -> Sequence[object]:
        """Its conditions."""
        ...

    @property
    def forbidden_clauses(self) -> Sequence[object]:
        """Its forbidden clauses."""
        ...


#: A search space: parameters by name, each made by `uniform` and its like, a list of choices, or
#: one of Optuna's distributions; a function, a dataclass or a ``TypedDict`` whose type hints have
#: them; a ConfigSpace; or the path of an Experiment file.
SpaceLike: TypeAlias = (
    "Mapping[str, object] | Callable[..., object] | Path | str | ConfigurationSpaceLike | Space"
)


def read_checked(given: SpaceLike) -> Space:
    """Return the space that `given` describes, whose parameters break no rule.

    Raises:
        InvalidArgument: With everything that is wrong with it.
    """
    space = read_space(given)
    _ = space.domain
    return space


def read_space(given: SpaceLike) -> Space:
    """Return the space that `given` describes.

    Raises:
        InvalidArgument: With everything in it that is no parameter. Rules that parameters break
            are found by `Space.domain`.
    """
    if isinstance(given, Space):
        return given
    configspace = type(given).__module__.partition(".")[0] == "ConfigSpace"  # a Mapping, too
    if isinstance(given, Mapping) and not configspace:
        return read_mapping(given)
    found: Space | None = None
    if isinstance(given, Path | str):
        from suggestion.tuning.files import from_file  # noqa: PLC0415

        found = from_file(Path(given))
    elif configspace:
        from suggestion.tuning.configspace import from_configspace  # noqa: PLC0415

        found = from_configspace(given)
    elif callable(given):
        from suggestion.tuning.hints import from_hints  # noqa: PLC0415

        found = from_hints(given)
    if found is None:
        rule = "must map names to parameters, or be a function or class with type hints"
        raise InvalidArgument([BrokenRule("space", f"{rule}, got {given!r:.80}")])
    return found


def read_mapping(
    given: Mapping[str, object],
    subject: str = "space",
    read: Callable[[object, str], Parameter[object]] | None = None,
) -> Space:
    """Return the space whose parameters `given` has by name.

    Args:
        subject: What `given` is called in error messages.
        read: Returns the parameter that an entry, at a place such as ``space['lr']``, stands for;
            `read_parameter` by default.

    Raises:
        InvalidArgument: With everything in it that is no parameter, and then also the rules that
            the others break.
    """
    read = read or read_parameter
    parameters: dict[str, Parameter[object]] = {}
    broken: list[BrokenRule] = []
    for name, entry in given.items():
        if not isinstance(name, str):
            broken.append(BrokenRule(subject, f"names must be texts, got {name!r:.80}"))
            continue
        try:
            parameters[name] = read(entry, f"{subject}[{name!r}]")
        except InvalidArgument as error:
            broken += error.broken
    space = Space(parameters, {name: f"{subject}[{name!r}]" for name in parameters})
    if broken:
        if parameters:
            try:
                _ = space.domain
            except InvalidArgument as error:
                broken += error.broken
        raise InvalidArgument(broken)
    return space


def read_parameter(entry: object, place: str) -> Parameter[object]:
    """Return the parameter that one entry of a space stands for.

    Raises:
        InvalidArgument: If it is none.
    """
    if isinstance(entry, Parameter):
        return entry
    if type(entry).__module__.partition(".")[0] == "optuna":
        from suggestion.tuning.optuna import from_distribution  # noqa: PLC0415

        return from_distribution(cast("BaseDistribution", entry), place)
    if isinstance(entry, Sequence) and not isinstance(entry, str | bytes | tuple):
        return Listed(entry)
    rule = "must be a parameter, such as suggestion.uniform(0, 1), or a list of choices"
    # Elsewhere (0, 1) is a range; here it would be two choices.
    raise InvalidArgument([BrokenRule(place, f"{rule}, got {entry!r:.80}")])
