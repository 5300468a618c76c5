"""What a server and its computing processes send each other over a pair of sockets.

A frame is its length in eight bytes and a pickled tuple, whose first item says what it is. Only
these processes hold the sockets, and both run this code.
"""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO, Final, NamedTuple

from suggestion.api.exchange import Outcome
from suggestion.api.service import Rpc

_LENGTH_BYTES: Final = 8


class Define(NamedTuple):
    """Gives a method a number, to the computing process.

    Attributes:
        key: The number.
        rpc: The method.
    """

    key: int
    rpc: Rpc


class Compute(NamedTuple):
    """Asks for a call to be computed.

    Attributes:
        number: Of the call, for this process.
        key: Number of the method.
        name: Of the method.
        raw: The request, decompressed.
        at: When the caller stops waiting, in seconds of `time.monotonic`, which all processes of a
            machine share.
    """

    number: int
    key: int
    name: str
    raw: bytes
    at: float


class Abandon(NamedTuple):
    """Tells that the caller of a call has gone.

    Attributes:
        number: Of the call.
    """

    number: int


class Ready(NamedTuple):
    """Tells that a process has started."""


class Computed(NamedTuple):
    """Tells what became of a call.

    Attributes:
        number: Of the call.
        outcome: What its caller is told.
        facts: What the log says about it.
        model_seconds: Time that its algorithm took.
    """

    number: int
    outcome: Outcome
    facts: dict[str, object]
    model_seconds: float | None


class Logged(NamedTuple):
    """Hands over a record of the log.

    Attributes:
        record: Attributes of a `logging.LogRecord`.
    """

    record: dict[str, Any]


def packed(message: tuple[Any, ...]) -> bytes:
    """Return the frame of `message`, one of the classes above.

    Raises:
        Exception: If it has anything that cannot be pickled.
    """
    body = pickle.dumps(message, protocol=5)
    return len(body).to_bytes(_LENGTH_BYTES) + body


def read(file: BinaryIO) -> Any:
    """Return the next message of a blocking `file`.

    Raises:
        EOFError: If there is none any more.
    """
    body = _exactly(file, int.from_bytes(_exactly(file, _LENGTH_BYTES)))
    return pickle.loads(body)


def _exactly(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise EOFError
    return found


async def receive(reader: Any) -> Any:
    """Return the next message of an `asyncio.StreamReader`.

    Raises:
        EOFError: If there is none any more.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
    return pickle.loads(await reader.readexactly(length))
