"""Whether a document has the shape that a schema of `suggestion.client.schema` describes.

Those schemas use nine keywords of JSON Schema, and every scalar is a text to them. A validator for
all of the standard would cost each command its import: more than a second where the packages are
installed with which it checks formats, as Jupyter's are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from suggestion.problem.errors import quote
from suggestion.problem.locations import Location
from suggestion.problem.spelling import likely_meant

_TYPES: Final[Mapping[str, type]] = {"string": str, "array": list, "object": dict}
_NOUNS: Final = {"string": "text", "array": "a list", "object": "a mapping"}

_Found: TypeAlias = Iterator[tuple[Location, str]]
#: From the value of the keyword, the schema around it, a document and its place to what is wrong.
_Check: TypeAlias = Callable[[Any, Mapping[str, Any], Any, Location], _Found]


def violations(document: object, schema: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Return every way in which `document` breaks `schema`: where, and the rule; by place."""
    found = [*_check(document, schema, ())]
    return sorted(found, key=lambda each: [str(part) for part in each[0]])


def _check(document: object, schema: Mapping[str, Any], place: Location) -> _Found:
    for keyword, value in schema.items():
        yield from _KEYWORDS[keyword](value, schema, document, place)


def _description(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    """Find nothing: a description is for messages."""
    yield from ()


def _type(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    names = [value] if isinstance(value, str) else value
    if not isinstance(document, tuple(_TYPES[name] for name in names)):
        noun = " or ".join(_NOUNS[name] for name in names)
        yield place, f"must be {schema.get('description', noun)}, got {_shown(document)}"


def _enum(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if document not in value:
        yield place, f"must be one of {', '.join(value)}, got {_shown(document)}"


def _const(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if document != value:
        yield place, f"must be {value}, got {_shown(document)}"


def _pattern(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if isinstance(document, str) and not re.search(value, document):
        yield place, f"must be {schema.get('description', value)}, got {_shown(document)}"


def _required(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if isinstance(document, dict):
        yield from ((place, f"{name} is required") for name in value if name not in document)


def _properties(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if isinstance(document, dict):
        for name, inner in value.items():
            if name in document:
                yield from _check(document[name], inner, (*place, name))


def _others(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    """Find what is wrong with the fields that ``properties`` does not name."""
    known = schema.get("properties", {})
    for name in document if isinstance(document, dict) else ():
        if name in known:
            continue
        if value is False:
            meant = likely_meant(name, known)
            hint = f"; did you mean {meant}?" if meant else ""
            yield (*place, name), f"unknown field; there is {', '.join(known)}{hint}"
        else:
            yield from _check(document[name], value, (*place, name))


def _items(value: Any, schema: Mapping[str, Any], document: Any, place: Location) -> _Found:
    if isinstance(document, list):
        for index, item in enumerate(document):
            yield from _check(item, value, (*place, index))


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else quote(value)


_KEYWORDS: Final[Mapping[str, _Check]] = {
    "additionalProperties": _others,
    "const": _const,
    "description": _description,
    "enum": _enum,
    "items": _items,
    "pattern": _pattern,
    "properties": _properties,
    "required": _required,
    "type": _type,
}
