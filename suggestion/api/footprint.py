"""How much memory a request will take, estimated from its bytes before it is parsed.

A parsed request is larger than its bytes, a hostile one by far: two bytes can declare an empty
message that takes a hundred. The estimates count, at the speed of C, the bytes that can begin such
small things; they are upper bounds for the parsed message and what is read from it, with room for
what an algorithm computes from it, and not exact.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_MOST_VARINT: Final = 5  # bytes of a length

#: Begins the value of a setting: field 2, of a length.
_VALUE_TAG: Final = b"\x12"
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
    return own + _EACH_VALUE * sum(_commas_after(raw, name) for name in texts)


def of_json(raw: bytes, texts: Sequence[bytes] = ()) -> int:
    """Return the bytes of memory that the JSON text `raw` and its message will take, about.

    Args:
        texts: Names of settings whose values are texts of JSON in turn.
    """
    openings = len(raw.translate(None, _NOT_OPENING))
    each = _EACH_VALUE if any(name in raw for name in texts) else _EACH_COMMA
    return _EACH_BYTE * len(raw) + _EACH_OPENING * openings + each * raw.count(b",")


def _commas_after(raw: bytes, name: bytes) -> int:
    """Return the number of commas in the values of settings called `name`.

    A value follows its name, as its tag, its length and so many bytes; where it does not, all
    commas of the message count.
    """
    total = 0
    found = raw.find(name)
    while found >= 0:
        at = found + len(name)
        if raw[at : at + 1] != _VALUE_TAG:
            return raw.count(b",")
        at += 1
        length = 0
        for shift, byte in enumerate(raw[at : at + _MOST_VARINT]):
            length |= (byte & 0x7F) << (7 * shift)
            if byte < 0x80:
                at += shift + 1
                break
        total += raw.count(b",", at, at + length)
        found = raw.find(name, at + length)
    return total
