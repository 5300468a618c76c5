"""What an algorithm is, and how the installed ones are found."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    NamedTuple,
    Protocol,
    TypeGuard,
    TypeVar,
    runtime_checkable,
)

from suggestion.engine import installed
from suggestion.engine.declared import SHARED
from suggestion.engine.settings import SEED, RawSetting, Setting, configure, describe
from suggestion.problem.architectures import ArchitectureSpace
from suggestion.problem.errors import MOST_VIOLATIONS, Invalid, Violation, quote
from suggestion.problem.locations import Location
from suggestion.problem.problem import Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.spelling import likely_meant
from suggestion.problem.study import Study, Suggestion

T = TypeVar("T")


class Ability(enum.Enum):
    """What a problem may ask of an algorithm beyond the usual; refused unless declared."""

    SEVERAL_OBJECTIVES = "several objectives"
    METRIC_CONSTRAINTS = "constraints on metrics"
    CONDITIONS = "conditions between parameters"
    PARAMETER_CONSTRAINTS = "constraints on parameters"
    PRIOR_STUDIES = "earlier studies to learn from"
    ARCHITECTURES = "the search for architectures"


#: What an algorithm can do that compares trials of its own study alone, or looks at none. Listed,
#: so that no algorithm declares an ability that is added here.
WITHOUT_PRIOR_STUDIES: Final = frozenset(
    {
        Ability.SEVERAL_OBJECTIVES,
        Ability.METRIC_CONSTRAINTS,
        Ability.CONDITIONS,
        Ability.PARAMETER_CONSTRAINTS,
    }
)

#: What a violation is about, where an ability is missing.
_PLACES: Final[Mapping[Ability, Location]] = {
    Ability.SEVERAL_OBJECTIVES: ("metrics",),
    Ability.METRIC_CONSTRAINTS: ("metrics",),
    Ability.CONDITIONS: ("conditions",),
    Ability.PARAMETER_CONSTRAINTS: ("constraints",),
    Ability.PRIOR_STUDIES: ("prior",),
    Ability.ARCHITECTURES: ("graph",),
}


class Algorithm(Protocol):
    """Proposes points; a frozen dataclass whose fields are its settings.

    Class attributes:
        name: Under which it is registered.
        ignored: Settings that are accepted without effect, for instance because another server
            wrote them into the experiment.
        abilities: What it can do beyond one objective in one space without restrictions, on the
            trials of one study; nothing if the class does not say.
    """

    name: ClassVar[str]
    ignored: ClassVar[frozenset[str]] = frozenset()
    abilities: ClassVar[frozenset[Ability]] = frozenset()

    def suggest(self, study: Study, count: int) -> Sequence[Assignment | Suggestion]:
        """Exactly `count` points of ``study.space``, as different as the space allows.

        A function of its arguments: no state, no clock, and no randomness but that of
        `suggestion.numerics.streams.rng` and `suggestion.numerics.sampling` given ``study.seed``.

        Raises:
            Exhausted: If fewer than `count` points are left.
            Unready: If the machine cannot do what is asked.
            Cancelled: From ``study.deadline.check()``.
        """
        ...


@runtime_checkable
class Validates(Protocol):
    """An algorithm with rules of its own about the experiment, beyond those of its settings."""

    def violations(self, study: Study) -> Iterable[Violation]:
        """Every rule that `study`, which has no trials yet, breaks.

        Also checked before each `suggest`, which may rely on it. Their locations say what is
        wrong: ``("settings", "gamma")`` or ``("parameters", "lr", "step")``.
        """
        ...


@runtime_checkable
class Advises(Protocol):
    """An algorithm that has something to say about settings that are accepted."""

    def advice(self) -> Iterable[tuple[str, str]]:
        """Yield what users should know, each with the name of the setting that it is about."""
        ...


@runtime_checkable
class TransformsSpace(Protocol):
    """An algorithm that replaces the declared space by another.

    Trials, `violations` and `suggest` then see the space that it returns. Hyperband does so where
    the resource is declared with min = max: what it holds is not a range then.
    """

    def search_space(self, declared: SearchSpace) -> SearchSpace:
        """What `declared` means; itself where it breaks a rule that `violations` will name."""
        ...


def register(name: str) -> Callable[[type[T]], type[T]]:
    """Names an algorithm or rule, and checks that it is a frozen dataclass.

    The name becomes known to servers through an entry point of the same name; see
    CONTRIBUTING.md.
    """

    def decorate(cls: type[T]) -> type[T]:
        parameters = getattr(cls, "__dataclass_params__", None)
        if parameters is None or not parameters.frozen:
            raise TypeError(f"{cls.__qualname__} must be a frozen dataclass below @register")
        cls.name = name  # type: ignore[attr-defined]
        describe(cls)  # a setting of an unsupported type fails here, at import
        return cls

    return decorate


class Unavailable(LookupError):
    """No such name, or its packages are not installed; the text is for the user."""


class Registry(Generic[T]):
    """The classes that installed packages register under one group of entry points.

    Args:
        group: ``suggestion.algorithms``, say.
        noun: What they are, in error messages: ``algorithm``.
        only: Names to serve; all that are installed if None.

    Raises:
        Unavailable: If a name in `only` is not installed.
    """

    def __init__(self, group: str, noun: str, only: Iterable[str] | None = None) -> None:
        self.group = group
        self.noun = noun
        self._only = None if only is None else tuple(dict.fromkeys(only))
        for name in self._only or ():
            if installed.find(group, name) is None:
                raise self.unknown(name, "is not installed", installed.every(group))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what is served, in alphabetical order unless they were listed."""
        return tuple(installed.every(self.group)) if self._only is None else self._only

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return self._reference(name) is not None

    def package(self, name: str) -> str:
        """The module that `name`, which is served here, lives in; without importing it."""
        reference = self._reference(name)
        assert reference is not None, name
        return reference.partition(":")[0]

    def load(self, name: str) -> type[T]:
        """The class called `name`; imports it on first use.

        Raises:
            Unavailable: If it is not served here, or needs packages that are not installed.
        """
        reference = self._reference(name)
        if reference is None:
            raise self.unknown(name, "is not served here", self.names)
        try:
            loaded: type[T] = installed.load(reference)
        except ModuleNotFoundError as error:
            missing = f"the package {quote(error.name)}, which is not installed on this server"
            hint = ""
            if installed.is_ours(self.group, name):  # each has an extra of its name
                hint = f"; pip install 'suggestion-servers[{name}]' brings it"
            raise Unavailable(f"{self.noun} {quote(name)} needs {missing}{hint}") from error
        return loaded

    def _reference(self, name: object) -> str | None:
        if not isinstance(name, str) or (self._only is not None and name not in self._only):
            return None
        return installed.find(self.group, name)

    def unknown(self, name: str, rule: str, known: Iterable[str]) -> Unavailable:
        """Return the error that `name` breaks `rule`, with what is `known` and likely meant."""
        names = tuple(known)
        text = f"{self.noun} {quote(name)} {rule}; there is {', '.join(names) or 'none'}"
        close = likely_meant(name, names)
        return Unavailable(f"{text}; did you mean {quote(close)}?" if close else text)


ALGORITHMS: Final = "suggestion.algorithms"


def algorithms(only: Iterable[str] | None = None) -> Registry[Algorithm]:
    """The registry of installed algorithms."""
    return Registry(ALGORITHMS, "algorithm", only)


def settings_of(cls: type) -> tuple[Setting, ...]:
    """All settings that users of an algorithm can give, the common ones last."""
    return (*describe(cls), SEED)


class Configured(NamedTuple):
    """An algorithm built from its settings of a request, and the seed that they ask for."""

    algorithm: Any  # an Algorithm; protocols with class attributes do not go with dataclasses
    random_state: int | None


def build(cls: type[Any], given: Sequence[RawSetting]) -> Configured:
    """The algorithm `cls` with the settings of a request.

    Raises:
        Invalid: With every violation of the rules for settings.
    """
    owner = f"algorithm {quote(cls.name)}"
    algorithm, common = configure(cls, owner, given, common=(SEED, *SHARED))
    return Configured(algorithm, common.get(SEED.name))


def advice(algorithm: object) -> Iterator[tuple[str, str]]:
    """Yield what `algorithm` has to say about its settings: the name of each, and a text."""
    if isinstance(algorithm, Advises):
        yield from algorithm.advice()


def needed(problem: Problem, prior: Sequence[Study] = ()) -> Mapping[Ability, str]:
    """Return the abilities that `problem` needs, each with what needs it, as messages say it.

    Args:
        problem: What is to be optimised.
        prior: Earlier studies to learn from.
    """
    space = problem.space
    names: dict[Ability, list[str]] = {
        Ability.SEVERAL_OBJECTIVES: [metric.name for metric in problem.objectives[1:]],
        Ability.METRIC_CONSTRAINTS: [metric.name for metric in problem.constraints],
        Ability.CONDITIONS: [condition.parameter for condition in space.conditions],
        Ability.PARAMETER_CONSTRAINTS: [each.text for each in space.constraints],
        Ability.PRIOR_STUDIES: [study.name for study in prior],
        Ability.ARCHITECTURES: ["nasConfig"] if isinstance(space, ArchitectureSpace) else [],
    }
    return {
        ability: ", ".join(map(quote, dict.fromkeys(found)))
        for ability, found in names.items()
        if found
    }


def missing(
    cls: type,
    problem: Problem,
    prior: Sequence[Study] = (),
    able: Callable[[Ability], Iterable[str]] = lambda _: (),
) -> Iterator[Violation]:
    """Yield a violation for each ability that `problem` needs and `cls` does not declare.

    Args:
        able: Returns the names of algorithms that have an ability, for messages.
    """
    abilities: frozenset[Ability] = getattr(cls, "abilities", frozenset())
    owner = f"algorithm {quote(cls.name)}"  # type: ignore[attr-defined]
    for ability, what in needed(problem, prior).items():
        if ability not in abilities:
            others = ", ".join(able(ability))
            who = f"; those that do: {others}" if others else ""
            text = f"{owner} does not support {ability.value}, got {what}{who}"
            yield Violation(_PLACES[ability], text)


def abilities_of(registry: Registry[Algorithm], ability: Ability) -> Iterator[str]:
    """Yield the algorithms of `registry` that declare `ability` and can be imported."""
    for name in registry:
        try:
            cls: type[Any] = registry.load(name)
        except Unavailable:
            continue
        if ability in getattr(cls, "abilities", frozenset()):
            yield name


def _validates(algorithm: object) -> TypeGuard[Validates]:
    # The answer for a class is kept; `isinstance` looks at each attribute at each call.
    return issubclass(type(algorithm), Validates)


def transforms_space(algorithm: object) -> TypeGuard[TransformsSpace]:
    """Return whether `algorithm` replaces the declared space by another."""
    return issubclass(type(algorithm), TransformsSpace)


def check(algorithm: object, study: Study) -> None:
    """Raises Invalid with the violations of `algorithm`'s own rules, if it has any."""
    if _validates(algorithm):
        found = tuple(islice(algorithm.violations(study), MOST_VIOLATIONS))
        if found:
            raise Invalid(found)


def defaults(cls: type) -> dict[str, Any]:
    """Values of the settings that need not be given."""
    return {
        f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING
    }
