"""Settings: the fields of a frozen dataclass, read from text, checked and documented.

A class declares what it can be told as fields made by `setting`; `configure` builds it from the
texts that a user wrote, and `describe` lists the settings for help, README and error messages.
Algorithms and early-stopping rules both use it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.numbers import parse_number
from suggestion.problem.spelling import likely_meant

T = TypeVar("T")

REQUIRED: Final[Any] = dataclasses.MISSING
#: Upper bound of settings that count trials; no experiment has more.
MOST_TRIALS: Final = 1_000_000
_KEY: Final = "suggestion.setting"
_NAMES_KEY: Final = "suggestion.names"
_NONE_TEXTS: Final = frozenset({"none", "null"})


class Setting(NamedTuple):
    """What one setting accepts.

    Attributes:
        name: As users write it; `aliases` are further spellings of the same setting.
        kind: int, float, bool or str.
        default: The value when not given; `REQUIRED` if it must be.
        optional: Whether the text ``None`` is accepted, and means None.
        choices: All accepted texts, if they are few.
        help: One line.
    """

    name: str
    kind: type
    default: Any
    help: str
    aliases: tuple[str, ...] = ()
    optional: bool = False
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def spelling(self) -> str:
        return " / ".join((self.name, *self.aliases))

    @property
    def range(self) -> str:
        """The accepted values: ``(0, 1)``, ``>= 1``, ``GP, RF, ET or GBRT``, or nothing."""
        if self.choices:
            text = _alternatives(self.choices)
        elif (low := self._low()) and (high := self._high()):
            text = f"{low[1]}{_bound(low[0])}, {_bound(high[0])}{high[1]}"
        elif low:
            text = f"{'>=' if low[1] == '[' else '>'} {_bound(low[0])}"
        elif high := self._high():
            text = f"{'<=' if high[1] == ']' else '<'} {_bound(high[0])}"
        else:
            text = ""
        return f"{text} or None".strip() if self.optional and "None" not in text else text

    def _low(self) -> tuple[float, str] | None:
        if self.at_least is not None:
            return self.at_least, "["
        return None if self.above is None else (self.above, "(")

    def _high(self) -> tuple[float, str] | None:
        if self.at_most is not None:
            return self.at_most, "]"
        return None if self.below is None else (self.below, ")")

    def parse(self, text: str) -> Any:
        """The value that `text` writes.

        Raises:
            ValueError: With the rule that it breaks, as a clause: ``must be less than 1``.
        """
        stripped = text.strip()
        if self.choices:
            for choice in self.choices:
                if stripped == choice:
                    return None if self.optional and choice.lower() in _NONE_TEXTS else choice
            raise ValueError(f"must be {_alternatives(self.choices)}")
        if self.optional and stripped.lower() in _NONE_TEXTS:
            return None
        or_none = " or None" if self.optional else ""
        if self.kind is bool:
            if stripped.lower() in ("true", "false"):
                return stripped.lower() == "true"
            raise ValueError("must be true or false")
        if self.kind is str:
            if not stripped:
                raise ValueError("must not be empty")
            return stripped
        number = parse_number(stripped)
        if number is None or (self.kind is int and not number.is_integer()):
            whole = "a whole number" if self.kind is int else "a finite number"
            raise ValueError(f"must be {whole}{or_none}")
        value = _whole(stripped) if self.kind is int else number
        for holds, rule in (
            (self.at_least is None or value >= self.at_least, f"must be at least {self.at_least}"),
            (self.above is None or value > self.above, f"must be greater than {self.above}"),
            (self.at_most is None or value <= self.at_most, f"must be at most {self.at_most}"),
            (self.below is None or value < self.below, f"must be less than {self.below}"),
        ):
            if not holds:
                raise ValueError(f"{rule}{or_none}")
        return value


def _bound(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # 1e3, 3.0
        return int(float(text))


def _alternatives(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def setting(
    default: T,
    *,
    help: str,
    alias: str | Iterable[str] = (),
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> T:
    """A dataclass field that users can set.

    Its type is the field's annotation: int, float, bool, str, or ``Literal`` of the accepted texts;
    each may be ``| None``, and then the text ``None`` is accepted.

    Args:
        default: Value when not given, or `REQUIRED`.
        help: One line that says what it does.
        alias: One or more other spellings.
        at_least, above, at_most, below: The range of a number. Give an upper bound as well: every
            value that is accepted must fit into the memory and the time of a request.
    """
    aliases = (alias,) if isinstance(alias, str) else tuple(alias)
    metadata = {
        _KEY: {
            "help": help,
            "aliases": aliases,
            "at_least": at_least,
            "above": above,
            "at_most": at_most,
            "below": below,
        }
    }
    return dataclasses.field(default=default, metadata=metadata)


def given_names() -> frozenset[str]:
    """A dataclass field that is no setting: the names of the class's settings that users gave.

    For rules about settings that go together; a value alone does not tell whether it was given.
    Whoever builds an instance without `configure` has given none.
    """
    names: frozenset[str] = dataclasses.field(
        default=frozenset(), repr=False, metadata={_NAMES_KEY: True}
    )
    return names


SEED: Final = Setting(
    name="random_state",
    aliases=("seed",),
    kind=int,
    default=None,
    at_least=0,
    at_most=2**63 - 1,
    help="Random seed; derived from the experiment's name if unset.",
)


def describe(cls: type) -> tuple[Setting, ...]:
    """The settings that `cls` declares, in the order of its fields."""
    return _described(cls)


@functools.cache
def _described(cls: type) -> tuple[Setting, ...]:
    hints = typing.get_type_hints(cls)
    found = []
    for declared in dataclasses.fields(cls):
        if _KEY not in declared.metadata:
            continue
        kinds = [hints[declared.name]]
        if typing.get_origin(kinds[0]) in (typing.Union, types.UnionType):
            kinds = list(typing.get_args(kinds[0]))
        optional = type(None) in kinds
        (kind,) = (k for k in kinds if k is not type(None))
        choices: tuple[str, ...] = ()
        if typing.get_origin(kind) is Literal:
            kind, choices = str, typing.get_args(kind)
        found.append(
            Setting(
                name=declared.name,
                kind=kind,
                default=declared.default,
                optional=optional,
                choices=choices,
                **declared.metadata[_KEY],
            )
        )
    return tuple(found)


class RawSetting(NamedTuple):
    """One setting as a request holds it."""

    name: str
    value: str


def configure(
    cls: type[T], owner: str, given: Sequence[RawSetting], *, common: Sequence[Setting] = ()
) -> tuple[T, dict[str, Any]]:
    """Builds `cls` from the texts in `given`.

    Args:
        cls: A dataclass with `setting` fields. Names in its class attribute ``ignored`` are
            accepted without effect.
        owner: Subject of error messages: ``algorithm 'tpe'``.
        given: Names and values in the order of the request.
        common: Settings that are not the class's own.

    Returns:
        The instance, and the values of the common settings that were given.

    Raises:
        Invalid: With every violation.
    """
    known = (*describe(cls), *common)
    by_spelling = {spelling: s for s in known for spelling in (s.name, *s.aliases)}
    ignored: frozenset[str] = getattr(cls, "ignored", frozenset())
    values: dict[str, Any] = {}
    first: dict[str, str] = {}
    found = Violations()
    for index, item in enumerate(given):
        if item.name in ignored:
            continue
        known_setting = by_spelling.get(item.name)
        if known_setting is None:
            text = _unknown(owner, item.name, tuple(by_spelling))
            found.append(Violation(("settings", index, "name"), text))
            continue
        name = known_setting.name
        if name in first:
            other = "" if first[name] == item.name else f", as {quote(first[name])} before"
            text = f"setting {quote(item.name)} is given twice{other}; keep one"
            found.append(Violation(("settings", index, "name"), text))
            continue
        first[name] = item.name
        try:
            values[name] = known_setting.parse(item.value)
        except ValueError as error:
            text = f"setting {quote(item.name)} {error}, got {_got(item.value)}"
            found.append(Violation(("settings", index, "value"), text))
    found += [
        Violation(
            ("settings", s.name),
            f"setting {quote(s.name)} is required by {owner}: {s.help[0].lower()}{s.help[1:]}",
        )
        for s in known
        if s.required and s.name not in first
    ]
    if found:
        raise Invalid(found)
    of_class = {s.name for s in known} - {s.name for s in common}
    own = {name: value for name, value in values.items() if name in of_class}
    told = {field.name: frozenset(own) for field in _fields(cls) if _NAMES_KEY in field.metadata}
    return cls(**own, **told), {
        name: value for name, value in values.items() if name not in of_class
    }


def _fields(cls: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)


def _got(text: str) -> str:
    number = parse_number(text)
    return text.strip() if number is not None and math.isfinite(number) else quote(text)


def _unknown(owner: str, name: str, known: Sequence[str]) -> str:
    message = f"{owner} has no setting {quote(name)}"
    close = likely_meant(name, known)
    if close:
        return f"{message}; did you mean {quote(close)}?"
    return f"{message}; it has {', '.join(known) if known else 'none'}"
