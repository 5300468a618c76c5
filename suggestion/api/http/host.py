"""What this API needs of the server that computes its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from suggestion.api.exchange import Outcome, Request
from suggestion.api.service import Rpc


class Host(Protocol):
    """Computes calls: threads, memory, statuses, log lines and draining are its own."""

    @property
    def max_message_bytes(self) -> int:
        """Largest request, decompressed."""
        ...

    @property
    def advice(self) -> str:
        """What allows larger requests, for messages."""
        ...

    @property
    def stuck(self) -> bool:
        """Whether calls wait in vain, so that the process should be restarted."""
        ...

    @property
    def draining(self) -> bool:
        """Whether new calls are refused."""
        ...

    async def drain(self, grace: float) -> None:
        """Refuse new calls; return once those in flight are answered, or refused after `grace`."""
        ...

    def until(self, seconds: float | None) -> float:
        """Return when a call ends whose caller waits `seconds`; in those of `time.monotonic`."""
        ...

    def too_late(self, name: str, rpc: Rpc) -> Outcome:
        """Return what a call is told that has not finished in time."""
        ...

    def received(
        self, name: str, rpc: Rpc, read: Callable[[], Awaitable[bytes]]
    ) -> AbstractAsyncContextManager[Request]:
        """Accept a call, and read its request when there is memory for it.

        Raises:
            CallRefused: If there are too many calls, or the request does not come.
        """
        ...

    async def perform(
        self,
        name: str,
        rpc: Rpc,
        request: Request,
        at: float,
        when_sent: Callable[[Callable[[], None]], object],
    ) -> Outcome:
        """Compute one call in a thread; if this task is cancelled, the computation stops.

        Args:
            name: Of the method.
            rpc: The method.
            request: That `received` gave.
            at: When the caller stops waiting, in seconds of `time.monotonic`.
            when_sent: Takes a function to call once the reply is sent: until then the call is in
                flight, and a server that stops waits for it.
        """
        ...
