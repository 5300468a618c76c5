"""The life of a process of servers: start all, serve until a signal, drain all, end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Protocol

from suggestion.server import process
from suggestion.server.calls import logger


class Listener(Protocol):
    """A server on one address, of whatever protocol; made before the event loop runs."""

    async def start(self) -> str:
        """Listen, and return the address, with the port that was picked.

        Raises:
            OSError: If the address cannot be bound.
        """
        ...

    async def drain(self) -> None:
        """Refuse new calls; return once those in flight are answered or refused."""
        ...

    async def close(self) -> None:
        """End at once."""
        ...


def run(listeners: Sequence[Listener], ready: Callable[[Sequence[str]], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and end the process with status 0.

    Args:
        listeners: Served by one process.
        ready: Called with their addresses once all of them accept calls.

    Raises:
        OSError: If an address cannot be bound.
    """
    process.use_one_heap()
    asyncio.run(_run(listeners, ready))


async def _run(listeners: Sequence[Listener], ready: Callable[[Sequence[str]], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    try:
        ready([await listener.start() for listener in listeners])
    except BaseException:
        await asyncio.gather(*(listener.close() for listener in listeners))
        raise
    await stopping.wait()
    logger.info("stopping", extra={"facts": {}})
    await asyncio.gather(*(listener.drain() for listener in listeners))
    process.end()
