"""Reading requests, within the memory that is set apart for it.

How long a request will be is not known before it has come, so each that is read reserves the
largest size, and keeps its own once it is there. A caller that sends nothing would hold that for as
long as it likes: it is refused, once others wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from suggestion.api.exchange import Request
from suggestion.server.memory import Pool

#: How often slow callers are looked for while others wait, in seconds.
_LOOK_SECONDS: Final = 0.1


class TooSlow(Exception):
    """A request did not come in time, and others wait."""


class Intake:
    """Memory for requests that are read or have been read and wait.

    Args:
        size: Bytes of all of them together.
        largest: Of one.
        seconds_to_send: Time that a caller may take to send its request while others wait.
    """

    def __init__(self, size: int, largest: int, seconds_to_send: float) -> None:
        self._pool = Pool(size)
        self._largest = largest
        self._seconds_to_send = seconds_to_send
        self._reading: dict[asyncio.Timeout, float] = {}
        self._looking: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def request(self, read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[Request]:
        """Read a request, whose bytes are accounted for until the block ends.

        Raises:
            TooSlow: If it does not come in time.
        """
        if not self._pool.fits(self._largest):
            self._look()
        with await self._pool.reserve(self._largest) as space:
            raw = await self._in_time(read)
            space.shrink(len(raw))
            yield Request(raw, space.release)

    def resize(self, size: int, largest: int) -> None:
        """Change the limits for requests that are read from now on."""
        self._pool.size = size
        self._largest = largest

    def hurry(self) -> None:
        """Refuse those who have taken too long."""
        now = asyncio.get_running_loop().time()
        for limit, since in self._reading.items():
            if now - since > self._seconds_to_send and not limit.expired():
                limit.reschedule(now)

    def _look(self) -> None:
        if self._looking is None:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(_LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looking = None
        if self._pool.contended:
            self.hurry()
            self._look()

    async def _in_time(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        limit = asyncio.timeout(None)
        self._reading[limit] = asyncio.get_running_loop().time()
        try:
            async with limit:
                return await read()
        except TimeoutError as error:
            if limit.expired():
                raise TooSlow from error
            raise
        finally:
            del self._reading[limit]
