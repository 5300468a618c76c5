"""Between JSON and messages: protobuf's own mapping, with errors that name the place.

https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from suggestion.api.service import Call, Rpc
from suggestion.problem.errors import MOST_VIOLATIONS, Invalid, Violation, quote
from suggestion.problem.locations import Location, dotted
from suggestion.problem.spelling import likely_meant

#: Names and kinds of JSON values, as messages call them.
_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (dict, "an object"),
    (list, "an array"),
    (str, "a string"),
    (int, "a number"),
    (float, "a number"),
    (type(None), "null"),
)
_INTEGERS: Final[Mapping[int, range]] = {
    FieldDescriptor.CPPTYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT32: range(2**32),
    FieldDescriptor.CPPTYPE_UINT64: range(2**64),
}
_FLOATS: Final = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def as_json(rpc: Rpc, reply: type[Message]) -> Rpc:
    """Return the method `rpc` with a request and a reply in JSON.

    Args:
        rpc: The method on messages.
        reply: Class of its reply.
    """
    made = _Json(rpc, reply)
    return rpc._replace(handle=made.handle, parse=made.parse)


class _Json(NamedTuple):
    """A method in JSON; it can be pickled if the method on messages can."""

    rpc: Rpc
    reply: type[Message]

    def parse(self, raw: bytes) -> Message:
        return read(raw, self.rpc.request)

    def handle(self, request: Message, call: Call) -> bytes:
        answer = self.rpc.handle(request, call)
        return write(self.reply.FromString(answer) if isinstance(answer, bytes) else answer)


def write(message: Message) -> bytes:
    """`message` in JSON, UTF-8; names in ``lowerCamelCase``, fields of default values left out."""
    text = json_format.MessageToJson(message, indent=None, ensure_ascii=False)
    return text.encode()


def read(raw: bytes, message: type[Message]) -> Message:
    """Return the message that `raw` holds in JSON; names are ``lowerCamelCase`` or ``snake_case``.

    Raises:
        Invalid: With the line and column of malformed JSON; else with every unknown field and every
            value of the wrong kind.
    """
    document = _parse(raw)
    name = message.DESCRIPTOR.name
    violations = _violations(document, _descriptor(message), (), name)
    found = list(islice(violations, MOST_VIOLATIONS))
    if found:
        raise Invalid(found)
    try:
        return json_format.ParseDict(document, message())
    except json_format.ParseError as error:
        # Each level of nesting puts a sentence before what is wrong.
        text = str(error).rpartition(" field: ")[2].rstrip(".")
        raise Invalid([Violation((), f"{name}: {_short(text)}")]) from error


def _descriptor(message: type[Message]) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)  # whatever implements it


def _parse(raw: bytes) -> Any:
    """The value that `raw` holds.

    Raises:
        Invalid: If it is no JSON.
    """
    if not raw.strip():
        raise _malformed("the body is empty; send an object, {} at least")
    try:
        return json.loads(raw.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"{where}: {error.msg[:1].lower()}{error.msg[1:]}") from error
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start}: text must be UTF-8") from error
    except RecursionError as error:
        raise _malformed("arrays or objects are nested too deeply") from error
    except ValueError as error:  # what the hooks refuse, or a number of thousands of digits
        raise _malformed(_short(str(error))) from error


def _malformed(text: str) -> Invalid:
    return Invalid([Violation((), f"the request is not valid JSON: {text}")])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"key {quote(name)} is given twice in one object")
            seen.add(name)
    return found


def _constant(text: str) -> float:
    raise ValueError(f"{text} must be in quotes")


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]}..."


def _kind(value: object) -> str:
    return next(name for cls, name in _KINDS if isinstance(value, cls))


# ------------------------------------------------------------------ the checks


def _violations(
    value: Any, message: Descriptor, path: Location, root: str = ""
) -> Iterator[Violation]:
    """Yield unknown fields of `value`, and values that are not of their field's kind.

    Args:
        path: Of `value` from the root of the request, in the names of the contract.
        root: What people call the request itself.
    """
    if not isinstance(value, dict):
        yield _wrong(path, "an object", value, root)
        return
    fields = _fields(message)
    for name, item in value.items():
        field = fields.get(name)
        if field is None:
            close = likely_meant(name, fields)
            hint = f"did you mean {quote(close)}?" if close else f"there is {_names(message)}"
            shown = dotted(path) or root
            yield Violation((*path, name), f"{shown}: unknown field {quote(name)}; {hint}")
        elif item is not None:  # null stands for the default
            yield from _field_violations(item, field, (*path, field.name))


def _field_violations(value: Any, field: FieldDescriptor, path: Location) -> Iterator[Violation]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _map_violations(value, field, path)
    elif not field.is_repeated:
        yield from _value_violations(value, field, path)
    elif not isinstance(value, list):
        yield _wrong(path, "an array", value)
    else:
        for index, item in enumerate(value):
            yield from _value_violations(item, field, (*path, index))


def _map_violations(value: Any, field: FieldDescriptor, path: Location) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield _wrong(path, "an object", value)
        return
    assert field.message_type is not None
    values = field.message_type.fields_by_name["value"]
    for key, item in value.items():
        yield from _value_violations(item, values, (*path[:-1], f"{path[-1]}[{quote(key)}]"))


def _value_violations(value: Any, field: FieldDescriptor, path: Location) -> Iterator[Violation]:
    if field.message_type is not None:
        yield from _violations(value, field.message_type, path)
    elif field.enum_type is not None:
        names = field.enum_type.values_by_name
        if isinstance(value, bool) or not (
            isinstance(value, int) or (isinstance(value, str) and value in names)
        ):
            yield _wrong(path, f"one of {', '.join(names)}", value)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            yield _wrong(path, "a string", value)
    elif field.cpp_type in _INTEGERS:
        allowed = _INTEGERS[field.cpp_type]
        number = _number(value)
        exact = value if isinstance(value, int) else number
        if not number.is_integer() or int(exact) not in allowed:
            rule = f"an integer between {allowed[0]} and {allowed[-1]}"
            yield _wrong(path, rule, value)
    elif field.cpp_type in _FLOATS:
        if value != "NaN" and math.isnan(_number(value)):
            yield _wrong(path, "a number", value)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL and not isinstance(value, bool):
        yield _wrong(path, "a boolean", value)


def _number(value: object) -> float:
    """The number that `value` stands for, also as text; NaN if none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _wrong(path: Location, rule: str, value: object, root: str = "") -> Violation:
    if isinstance(value, dict | list | None):
        got = _kind(value)
    else:
        got = f"{_kind(value)}: {quote(value) if isinstance(value, str) else _short(str(value))}"
    return Violation(path, f"{dotted(path) or root}: must be {rule}, got {got}")


def _fields(message: Descriptor) -> Mapping[str, FieldDescriptor]:
    """Fields by each of the names that JSON may give them."""
    return {name: field for field in message.fields for name in (field.json_name, field.name)}


def _names(message: Descriptor) -> str:
    return ", ".join(field.json_name for field in message.fields) or "none"
