"""Reading data of which every field is either used or named as left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.conversion.definition import ConversionError, Loss
from suggestion.problem.errors import quote
from suggestion.problem.numbers import parse_number

_NOTHING: Final = "has no counterpart here"


class Fields:
    """The fields of a mapping, whatever the case and the underscores of their names.

    Args:
        node: What should be a mapping.
        place: Its path in the file.
        losses: Told of what is left out.

    Raises:
        ConversionError: If a field that is read has not the shape that it should have.
    """

    def __init__(self, node: object, place: str, losses: list[Loss]) -> None:
        if not isinstance(node, Mapping):
            raise _wrong(place or "the file", "a mapping", node)
        self._node: Mapping[Any, Any] = node
        self._names = {_folded(key): key for key in node}
        self._used: set[Any] = set()
        self.place = place
        self.losses = losses

    def __contains__(self, key: str) -> bool:
        return _folded(key) in self._names

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.place}.{key}" if self.place else key

    def lose(self, key: str, why: str) -> None:
        """Say that a field is left out."""
        self.losses.append(Loss(self.at(str(self._names.get(_folded(key), key))), why))

    def take(self, *keys: str) -> Any:
        """Return the value of the first of `keys` that is there; None if none is."""
        for key in keys:
            name = self._names.get(_folded(key))
            if name is not None:
                self._used.add(name)
                return self._node[name]
        return None

    def text(self, *keys: str) -> str:
        """Return a scalar as text; empty if it is absent."""
        value = self.take(*keys)
        if value is None:
            return ""
        if isinstance(value, Mapping | list):
            raise _wrong(self.at(keys[0]), "text", value)
        return scalar(value)

    def known(self, names: Mapping[str, str], *keys: str) -> str:
        """Return what one of `names` is called here; empty for any other one, which is told."""
        given = self.text(*keys)
        found = names.get(given, names.get(given.lower()))
        if given and found is None:
            self.lose(keys[0], f"there is no {quote(given)} here; known are {', '.join(names)}")
        return found or ""

    def number(self, *keys: str) -> str:
        """Return a finite number as text; empty if it is absent."""
        text = self.text(*keys).strip()
        if text and parse_number(text) is None:
            raise _wrong(self.at(keys[0]), "a finite number", text)
        return text

    def mapping(self, *keys: str) -> Mapping[str, Any] | None:
        """Return a mapping as it is; None if it is absent."""
        value = self.take(*keys)
        if value is None or isinstance(value, Mapping):
            return value
        raise _wrong(self.at(keys[0]), "a mapping", value)

    def whole(self, *keys: str) -> int | None:
        """Return a whole number; None if it is absent."""
        text = self.text(*keys).strip()
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise _wrong(self.at(keys[0]), "a whole number", text) from None

    def fields(self, *keys: str) -> Fields:
        """Return the fields of a mapping; none if it is absent."""
        value = self.take(*keys)
        return Fields({} if value is None else value, self.at(keys[0]), self.losses)

    def entries(self, *keys: str) -> Iterator[tuple[str, Any]]:
        """Yield the place and the value of each entry of a list; none if it is absent."""
        value = self.take(*keys)
        if value is None:
            return
        if not isinstance(value, list):
            raise _wrong(self.at(keys[0]), "a list", value)
        for index, entry in enumerate(value):
            yield f"{self.at(keys[0])}[{index}]", entry

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Return a list of scalars as texts; empty if it is absent."""
        return tuple(scalar(entry) for _, entry in self.entries(*keys))

    def ignore(self, *keys: str) -> None:
        """Use fields that say nothing about the experiment."""
        for key in keys:
            self.take(key)

    def close(self, why: str = _NOTHING) -> None:
        """Say of every field that was not used that it is left out."""
        for name, value in self._node.items():
            if name not in self._used and value is not None:
                shown = "" if isinstance(value, Mapping | list) else f", got {quote(value)}"
                self.losses.append(Loss(self.at(str(name)), f"{why}{shown}"))


def scalar(value: object) -> str:
    """Return a scalar of YAML or JSON as text: ``true`` and not ``True``, ``null`` for None."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _wrong(place: str, noun: str, value: object) -> ConversionError:
    return ConversionError([Loss(place, f"must be {noun}, got {quote(value)}")])


def _folded(key: object) -> str:
    return str(key).replace("_", "").replace("-", "").lower()
