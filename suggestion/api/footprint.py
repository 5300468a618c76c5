"""How much memory a request will take, estimated from its bytes before it is parsed.

A parsed request is larger than its bytes, a hostile one by far: two bytes can declare an empty
message that takes a hundred. The estimates count, at the speed of C, the bytes that can begin such
small things; they are upper bounds for the parsed message and what is read from it, with room for
what an algorithm computes from it, and not exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

#: Memory for each byte of text, in bytes: the request itself, the parsed message, what is read
#: from it. Measured with 10,000 trials of 10 parameters: 4 (random) to 7 (tpe).
_EACH_BYTE: Final = 6
#: The same for each byte of a text that is read by no algorithm.
_EACH_PLAIN: Final = 2
#: Memory of a message or a text of at most `_SHORT` bytes. Those of an honest request are within
#: what its bytes take; where they are most of it, they are counted.
_EACH_SHORT: Final = 64
_SHORT: Final = 3
#: Memory of an object or array of JSON, and of what stands between two commas.
_EACH_OPENING: Final = 256
_EACH_COMMA: Final = 64
#: Memory of a value in a text of JSON that is read into points or trials, which end as numbers and
#: texts by name; measured: 190 to 210.
_EACH_VALUE: Final = 256

#: Memory of a value of a reply until the reply is made, and of a byte of its text; measured with
#: 200,000 values of 38 bytes: 165 in all.
_EACH_REPLIED: Final = 64
_EACH_REPLIED_BYTE: Final = 3
#: The most that a reply takes, since its values and texts are bounded.
_LARGEST_REPLY: Final = 32 * 2**20
#: Numbers of fields: of a request, from it to its parameters, and of the number of suggestions.
_TO_PARAMETERS: Final = (1, 2, 1)
_COUNT: Final = 4
#: First byte of the field of a trial in a request.
_TRIAL: Final = 2 << 3 | 2
_COUNT_OF_JSON: Final = re.compile(rb'"current_?[rR]equest_?[nN]umber"\s*:\s*(\d{1,9})\s*[,}]')
#: Fields of a message up to which they are looked at.
_MOST_FIELDS_COUNTED: Final = 110_000

#: Bounds of the search for the settings with such a text: past them all commas count.
_MOST_SETTINGS: Final = 16
_DEEPEST: Final = 8  # messages in messages
_MOST_FIELDS: Final = 1_000
_MOST_VARINT: Final = 10  # bytes
#: Lengths of what protobuf writes without a length, by wire type.
_FIXED: Final = {1: 8, 5: 4}
_DELIMITED: Final = 2

#: Letters, and what JSON consists of, which no usual writer of JSON escapes in a text.
_ESCAPED: Final = re.compile(rb"\\u00(2[cC]|[4-7])")
_ESCAPED_COMMA: Final = re.compile(rb"\\u002[cC]")
_ESCAPED_OPENING: Final = re.compile(rb"\\u00[57][bB]")
_NOT_SHORT: Final = bytes(range(_SHORT + 1, 256))
_NOT_OPENING: Final = bytes(set(range(256)) - set(b"{["))


def of_protobuf(raw: bytes, texts: Sequence[bytes] = ()) -> int:
    """Return the bytes of memory that the encoded message `raw` will take, about.

    Every text and message of at most three bytes has its length among the bytes up to 3.

    Args:
        texts: Names of settings whose values are JSON.
    """
    short = len(raw.translate(None, _NOT_SHORT))
    own = max(_EACH_BYTE * len(raw), _EACH_PLAIN * len(raw) + _EACH_SHORT * short)
    return own + _EACH_VALUE * sum(_commas_beside(raw, name) for name in texts)


def of_json(raw: bytes, texts: Sequence[bytes] = ()) -> int:
    """Return the bytes of memory that the JSON text `raw` and its message will take, about.

    Args:
        texts: Names of settings whose values are texts of JSON in turn.
    """
    openings = len(raw.translate(None, _NOT_OPENING))
    commas = raw.count(b",")
    each = _EACH_COMMA
    if texts and (any(name in raw for name in texts) or _ESCAPED.search(raw)):
        each = _EACH_VALUE
        commas += len(_ESCAPED_COMMA.findall(raw))
        openings += len(_ESCAPED_OPENING.findall(raw))
    return _EACH_BYTE * len(raw) + _EACH_OPENING * openings + each * commas


def of_suggestions(raw: bytes) -> int:
    """Return the bytes of memory that the reply to `raw`, a GetSuggestionsRequest, will take.

    Its parameters are counted, and their texts are no longer than the parameters themselves.
    """
    try:
        count = 0
        parameters, length = 0, 0
        for number, start, end in _fields(raw, 0, len(raw), skipped=_TRIAL):
            if number == _COUNT and end < 0:
                count = start
            elif number == _TO_PARAMETERS[0]:
                parameters += _parameters(raw, start, end, _TO_PARAMETERS[1:])
                length += end - start
    except (ValueError, IndexError):
        return _LARGEST_REPLY
    return _of_reply(count, parameters, length)


def of_suggestions_json(raw: bytes) -> int:
    """Return what `of_suggestions` returns, for a request in JSON."""
    counts = _COUNT_OF_JSON.findall(raw)
    if not counts or b"\\u" in raw:  # written in another way
        return _LARGEST_REPLY
    return _of_reply(max(map(int, counts)), raw.count(b"{"), len(raw))


def _of_reply(count: int, parameters: int, length: int) -> int:
    each = _EACH_REPLIED * parameters + _EACH_REPLIED_BYTE * (length + _EACH_REPLIED * parameters)
    return min(max(count, 0) * each, _LARGEST_REPLY)


def _parameters(raw: bytes, start: int, end: int, path: Sequence[int]) -> int:
    """Return the number of parameters in a message, raw[start:end], at `path` from it."""
    if not path:
        return sum(1 for _ in _fields(raw, start, end))
    return sum(
        _parameters(raw, inner, after, path[1:])
        for number, inner, after in _fields(raw, start, end)
        if number == path[0]
    )


def _fields(raw: bytes, start: int, end: int, skipped: int = -1) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of each field of a message; a number itself, and -1, for those
    that are one.

    Args:
        skipped: First byte of fields with a length that are left out, where there are many.

    Raises:
        ValueError, IndexError: If it is malformed, or has too many fields.
    """
    at = start
    for _ in range(_MOST_FIELDS_COUNTED):
        if at >= end:
            break
        tag = raw[at]
        if tag == skipped:
            low = raw[at + 1]
            high = raw[at + 2] if low >= 0x80 else 0
            if high < 0x80:  # up to 16 KiB
                at += low + 2 if low < 0x80 else (low & 0x7F) + (high << 7) + 3
                continue
        at += 1
        if tag >= 0x80:
            tag, at = _varint(raw, at - 1)
        kind = tag & 7
        if kind == _DELIMITED:
            length = raw[at]
            at += 1
            if length >= 0x80:
                length, at = _varint(raw, at - 1)
            yield tag >> 3, at, at + length
            at += length
        elif kind == 0:
            value, at = _varint(raw, at)
            yield tag >> 3, value, -1
        else:
            at += _FIXED[kind] if kind in _FIXED else len(raw)
    if at != end:
        raise ValueError


def _commas_beside(raw: bytes, name: bytes) -> int:
    """Return the number of commas in the settings called `name`.

    They are in the message that has the name as one of its fields, before it, after it, or several
    times; where no such message is found, all commas count.
    """
    total = 0
    found = raw.find(name)
    for _ in range(_MOST_SETTINGS):
        if found < 0:
            return total
        try:
            start, end = _message_with(raw, found, found + len(name))
        except ValueError:
            break
        total += raw.count(b",", start, end)
        found = raw.find(name, end)
    return raw.count(b",")


def _message_with(raw: bytes, begin: int, end: int) -> tuple[int, int]:
    """Return where the message begins and ends that has raw[begin:end] as a whole field.

    Raises:
        ValueError: If none is found.
    """
    message = (0, len(raw))
    for _ in range(_DEEPEST):
        field = _field_at(raw, *message, begin)
        if field == (begin, end):
            return message
        message = field
    raise ValueError


def _field_at(raw: bytes, start: int, end: int, place: int) -> tuple[int, int]:
    """Return where the text or message begins and ends that a message, raw[start:end], has at
    `place`.

    Raises:
        ValueError: If it has none there.
    """
    at = start
    for _ in range(_MOST_FIELDS):
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == _DELIMITED:
            length, at = _varint(raw, at)
            if at <= place < at + length <= end:
                return at, at + length
            at += length
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == 0:
            _, at = _varint(raw, at)
        else:
            break
        if at > place:
            break
    raise ValueError


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends.

    Raises:
        ValueError: If there is none.
    """
    value = 0
    for shift, byte in enumerate(raw[at : at + _MOST_VARINT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError
