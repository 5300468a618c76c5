"""What a parameter of a search space may be, as users write it.

These constructors only hold what they are given; a space is checked as a whole when a `Study` or
`tune` takes it, so that all that is wrong with it is said at once.
"""

from __future__ import annotations

import ast
import enum
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final, Generic, SupportsFloat, SupportsIndex, TypeAlias, TypeVar

from suggestion.problem.errors import halved

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: What a bound or a step may be: a number, also numpy's, or the text of one.
Number: TypeAlias = SupportsFloat | SupportsIndex | str


class Parameter(ABC, Generic[T_co]):
    """One parameter of a search space, whose values are of type ``T_co``."""

    __slots__ = ()

    @abstractmethod
    def declare(self) -> tuple[str, Mapping[str, str | Sequence[str]]]:
        """Return ``parameterType`` and ``feasibleSpace`` as an Experiment file has them."""

    @abstractmethod
    def decode(self, text: str) -> T_co:
        """Return the value that `text`, a suggestion, stands for."""

    @abstractmethod
    def encode(self, value: object) -> str | None:
        """Return the text that stands for `value`; None if it cannot be a value of this type."""

    @abstractmethod
    def decoder(self) -> str | dict[str, object]:
        """Return how `decode` reads: ``float``, ``int``, or the values by their texts."""

    def literals(self) -> Sequence[str | None] | None:
        """Return the values as Python literals, None for what is none; None for a range."""
        return None


@dataclass(frozen=True, slots=True)
class Range(Parameter[T_co]):
    """A number between `min` and `max`, both included.

    Made by `uniform` and its like.

    Attributes:
        distribution: ``uniform``, ``logUniform``, ``normal`` or ``logNormal``.
        whole: Whether the number is an int; else it is a float.
    """

    read: Callable[[str], T_co] = field(repr=False, compare=False)
    min: str
    max: str
    step: str | None = None
    distribution: str = "uniform"
    whole: bool = False

    def declare(self) -> tuple[str, Mapping[str, str | Sequence[str]]]:
        feasible: dict[str, str | Sequence[str]] = {"min": self.min, "max": self.max}
        if self.step is not None:
            feasible["step"] = self.step
        if self.distribution != "uniform":
            feasible["distribution"] = self.distribution
        return "int" if self.whole else "double", feasible

    def decode(self, text: str) -> T_co:
        return self.read(text)

    def decoder(self) -> str | dict[str, object]:
        return "int" if self.whole else "float"

    def encode(self, value: object) -> str | None:
        text = number_text(value)
        if self.whole and isinstance(value, float) and value.is_integer():
            text = str(int(value))
        return text


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Listed(Parameter[T_co]):
    """One of several values, found again by its place in the list.

    Made by `choice` and `discrete`.

    Attributes:
        values: As the user gave them, of any type.
        texts: What stands for them where only text goes: in a request, a state file, a command.
        ordered: Whether they are numbers and neighbours are alike.
    """

    values: tuple[T_co, ...]
    texts: tuple[str, ...]
    ordered: bool

    def __init__(
        self, values: Iterable[T_co], *, ordered: bool = False, texts: Sequence[str] | None = None
    ) -> None:
        listed = tuple(values)
        object.__setattr__(self, "values", listed)
        object.__setattr__(self, "texts", tuple(_texts(listed) if texts is None else texts))
        object.__setattr__(self, "ordered", ordered)

    def declare(self) -> tuple[str, Mapping[str, str | Sequence[str]]]:
        return "discrete" if self.ordered else "categorical", {"list": list(self.texts)}

    def decode(self, text: str) -> T_co:
        return self.values[self.texts.index(text)]

    def decoder(self) -> str | dict[str, object]:
        return dict(zip(self.texts, self.values, strict=True))

    def encode(self, value: object) -> str | None:
        value = plain(value)
        for place, known in enumerate(self.values):
            if _same(known, value):
                return self.texts[place]
        for place, known in enumerate(self.values):  # 16.0 for 16
            if not isinstance(known, bool) and not isinstance(value, bool) and _equal(known, value):
                return self.texts[place]
        return None

    def literals(self) -> Sequence[str | None] | None:
        return [_literal(value) for value in self.values]


# ------------------------------------------------------------------ constructors


def uniform(min: Number, max: Number, *, step: Number | None = None) -> Range[float]:
    """Return a float between `min` and `max`, uniformly distributed.

    Args:
        min, max: The bounds, both included.
        step: Only ``min``, ``min + step``, ``min + 2 step``, …, without rounding errors.

    >>> import suggestion as sg
    >>> sg.uniform(0, 1, step=0.25)
    Range(min='0', max='1', step='0.25', distribution='uniform', whole=False)
    """
    return _range(float, min, max, step, "uniform")


def log_uniform(min: Number, max: Number, *, step: Number | None = None) -> Range[float]:
    """Return a float between `min` and `max` whose logarithm is uniform; `min` is above 0."""
    return _range(float, min, max, step, "logUniform")


def normal(min: Number, max: Number, *, step: Number | None = None) -> Range[float]:
    """Return a float between `min` and `max`, normally distributed around their middle.

    The bounds lie three standard deviations from the mean.
    """
    return _range(float, min, max, step, "normal")


def log_normal(min: Number, max: Number, *, step: Number | None = None) -> Range[float]:
    """Return a float between `min` and `max` whose logarithm is normally distributed.

    The logarithms of the bounds lie three standard deviations from its mean; `min` is above 0.
    """
    return _range(float, min, max, step, "logNormal")


def integer(min: Number, max: Number, *, step: Number | None = None) -> Range[int]:
    """Return an int between `min` and `max`, both included, uniformly distributed."""
    return _range(whole, min, max, step, "uniform")


def log_integer(min: Number, max: Number, *, step: Number | None = None) -> Range[int]:
    """Return an int between `min` and `max`, both included, whose logarithm is uniform."""
    return _range(whole, min, max, step, "logUniform")


def choice(values: Iterable[T]) -> Listed[T]:
    """Return one of `values`, which have no order; a plain list in a space means the same.

    The values may be of any type, also functions or classes: what is suggested is the very
    object. Objects that are no texts, numbers, booleans or None are known by their place.

    Raises:
        TypeError: If `values` is a text, or a set, whose order the next program does not find.
    """
    return Listed(_listed("choice", values))


def discrete(values: Iterable[T]) -> Listed[T]:
    """Return one of `values`, which are numbers: neighbours by size are taken to be alike.

    Raises:
        TypeError: As for `choice`.
    """
    return Listed(_listed("discrete", values), ordered=True)


def _listed(name: str, values: Iterable[T]) -> Iterable[T]:
    if isinstance(values, str | bytes | Set) or not isinstance(values, Iterable):
        raise TypeError(f"{name}(): must be given a list of values, got {values!r:.80}")
    return values


# ------------------------------------------------------------------------ texts


def whole(text: str) -> int:
    """Return the int that a suggestion writes."""
    try:
        return int(text)
    except ValueError:  # 3.0, from a server that is not ours
        return int(float(text))


def plain(value: object) -> object:
    """Return a scalar of numpy's as Python's own."""
    if (
        type(value).__module__ == "numpy"
        and hasattr(value, "item")
        and not hasattr(value, "__len__")
    ):
        return value.item()
    return value


def number_text(value: object) -> str:
    """Return the text of a number, or of whatever else a user has written in its place."""
    if isinstance(value, bool):
        return repr(value)
    if isinstance(value, SupportsIndex):
        return str(operator.index(value))
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(float(value))  # of a numpy float, whose own repr names its type
    if isinstance(value, SupportsFloat):
        return repr(float(value))
    return repr(value)


def _range(
    read: Callable[[str], T], min: Number, max: Number, step: Number | None, distribution: str
) -> Range[T]:
    return Range(
        read,
        number_text(min),
        number_text(max),
        None if step is None else number_text(step),
        distribution,
        read is whole,
    )


_PLAIN: Final = (bool, int, float, type(None))


def _texts(values: Sequence[object]) -> list[str]:
    """Return a text for each value: the same for equal ones, different for different ones."""
    texts = [_text(value, place) for place, value in enumerate(values)]
    places: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        places.setdefault(text, []).append(place)
    for text, group in places.items():
        first = values[group[0]]
        if text and all(_same(values[place], first) for place in group):
            continue
        for place in group:
            literal = _literal(values[place])
            free = literal is not None and (literal == text or literal not in places)
            texts[place] = literal if literal is not None and free else f"{text}-{place}"
    return texts


def _text(value: object, place: int) -> str:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, str):
        text = str(value)
        return ascii(text) if halved(text) else text
    if isinstance(value, _PLAIN):
        return _literal(value) or repr(value)
    if isinstance(value, SupportsIndex | SupportsFloat) and not hasattr(value, "__len__"):
        return number_text(value)
    literal = _literal(value)
    if literal is not None:
        return literal
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else f"{type(value).__name__}-{place}"


def _literal(value: object) -> str | None:
    """Return `value` as a Python literal that stands for an equal value; None if none does."""
    if isinstance(value, enum.Enum):
        return None
    try:
        text = repr(value)
        again = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return text if _same(again, value) else None


def _same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and _equal(one, other))


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except (ValueError, TypeError):  # arrays
        return False
