"""What this API needs of the server that computes its calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import grpc

from suggestion.api.service import Rpc
from suggestion.problem.errors import Violation


class Outcome(Protocol):
    """What became of a call."""

    @property
    def code(self) -> grpc.StatusCode:
        """Its status, the same in every API."""
        ...

    @property
    def reply(self) -> bytes:
        """The encoded reply; empty unless the code is OK."""
        ...

    @property
    def message(self) -> str:
        """What is wrong, for people; empty if the code is OK."""
        ...

    @property
    def violations(self) -> Sequence[Violation]:
        """Every broken rule, if the code is INVALID_ARGUMENT."""
        ...


class Host(Protocol):
    """Computes calls: worker pool, statuses, log lines and draining are its own."""

    @property
    def max_message_bytes(self) -> int:
        """Largest request."""
        ...

    @property
    def draining(self) -> bool:
        """Whether new calls are refused."""
        ...

    async def drain(self, grace: float) -> None:
        """Refuse new calls; return once those in flight are answered, or refused after `grace`."""
        ...

    async def perform(
        self,
        name: str,
        rpc: Rpc,
        raw: bytes,
        at: float,
        when_sent: Callable[[Callable[[], None]], object],
    ) -> Outcome:
        """Compute one call in the worker pool; if this task is cancelled, the computation stops.

        Args:
            name: Of the method.
            rpc: The method.
            raw: The request as it came.
            at: When the caller stops waiting, in seconds of `time.monotonic`; may be infinite.
            when_sent: Takes a function to call once the reply is sent: until then the call is in
                flight, and a server that stops waits for it.
        """
        ...
