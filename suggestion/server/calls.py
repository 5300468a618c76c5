"""One call: parsed, handled and serialised in a thread, logged, and told if the server stops."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from suggestion.api.service import Call, Rpc
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Unreachable
from suggestion.server.statuses import Outcome, of_exception

logger: Final = logging.getLogger("suggestion")

_SHUTTING_DOWN: Final = "this server is shutting down"
# A Watch of the health service, and the last callers, are told before their connections end.
_FAREWELL_SECONDS: Final = 0.1
# For telling those whose calls the grace period was too short for.
_LAST_SECONDS: Final = 1.0


@dataclass(slots=True)
class Calls:
    """What the methods of one running server share.

    Attributes:
        pool: The threads that compute, apart from those of lanes.
        max_message_bytes: Largest request.
        draining: Whether new calls are refused.
        grace_is_over: Whether those in flight have been cancelled by the server.
        in_flight: The calls whose reply is not sent yet. The events are set once there is one, or
            the caller has gone.
    """

    pool: ThreadPoolExecutor
    max_message_bytes: int
    draining: bool = False
    grace_is_over: bool = False
    in_flight: dict[threading.Event, asyncio.Task[Any]] = field(default_factory=dict)

    async def perform(
        self,
        name: str,
        rpc: Rpc,
        raw: bytes,
        at: float,
        when_sent: Callable[[Callable[[], None]], object],
    ) -> Outcome:
        """Compute one call in the pool, and log it; if its task is cancelled, so is the call.

        Args:
            name: Of the method.
            rpc: The method.
            raw: The request as it came.
            at: When the caller stops waiting, in seconds of `time.monotonic`; may be infinite.
            when_sent: Takes a function to call once the reply is sent; until then the call is in
                flight.
        """
        started = time.perf_counter()
        if self.draining:
            return Outcome(grpc.StatusCode.UNAVAILABLE, message=_SHUTTING_DOWN)
        gone = threading.Event()
        call = Call(Deadline(at, gone.is_set))
        task = asyncio.current_task()
        assert task is not None
        self.in_flight[gone] = task
        when_sent(lambda: self._forget(gone))
        outcome = Outcome(grpc.StatusCode.CANCELLED)
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                rpc.lane or self.pool, _work, rpc, name, raw, call, self.max_message_bytes
            )
        except Unreachable as error:  # the lane is full
            outcome = of_exception(error, name, call.deadline)
        except asyncio.CancelledError:
            if not self.grace_is_over:  # the caller has gone, or does not wait any longer
                if call.deadline.remaining() <= 0:
                    outcome = Outcome(grpc.StatusCode.DEADLINE_EXCEEDED)
                raise
            outcome = Outcome(
                grpc.StatusCode.UNAVAILABLE,
                message=f"{_SHUTTING_DOWN}, and {name} did not finish within its grace period",
            )
        finally:
            gone.set()  # if nobody waits for the result, its thread stops at the next check
            if outcome.message:
                call.describe(message=outcome.message)
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            facts = {"method": name, **call.facts, "ms": milliseconds, "outcome": outcome.code.name}
            level = logging.ERROR if outcome.trace else logging.INFO
            logger.log(level, "%s", name, extra={"facts": facts, "trace": outcome.trace})
        return outcome

    def _forget(self, gone: threading.Event) -> None:
        del self.in_flight[gone]

    async def drain(self, grace: float) -> None:
        """Refuse new calls; wait for those in flight, at most `grace` seconds, then refuse them.

        Servers that share the calls may all drain them at the same time.
        """
        until = time.monotonic() + grace
        self.draining = True
        await asyncio.sleep(_FAREWELL_SECONDS)
        await self._idle(until)
        self.grace_is_over = True
        for gone, task in self.in_flight.items():
            if not gone.is_set():
                gone.set()
                task.cancel()
        await self._idle(time.monotonic() + _LAST_SECONDS)
        await asyncio.sleep(_FAREWELL_SECONDS)

    async def _idle(self, until: float) -> None:
        while self.in_flight and time.monotonic() < until:
            await asyncio.sleep(0.02)


def method_handler(name: str, rpc: Rpc, calls: Calls) -> Callable[[bytes, Any], Awaitable[bytes]]:
    """Return the coroutine function that answers calls of `rpc`, the method `name`, over gRPC."""

    async def serve(raw: bytes, context: Any) -> bytes:
        left = context.time_remaining()
        at = float("inf") if left is None else time.monotonic() + left

        def when_sent(callback: Callable[[], None]) -> None:
            context.add_done_callback(lambda _: callback())

        outcome = await calls.perform(name, rpc, raw, at, when_sent)
        if outcome.code is not grpc.StatusCode.OK:
            await context.abort(outcome.code, outcome.message, outcome.metadata)
        return outcome.reply

    return serve


def _work(rpc: Rpc, method: str, raw: bytes, call: Call, limit: int) -> Outcome:
    """Parse, handle and serialise; every exception becomes a status."""
    try:
        call.deadline.check()
        if len(raw) > limit:
            return Outcome(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                message=f"the request has {len(raw)} bytes, this server accepts {limit}; "
                f"start it with a larger --max-message-mib",
            )
        try:
            request = (rpc.parse or rpc.request.FromString)(raw)
        except DecodeError:
            return Outcome(
                grpc.StatusCode.INVALID_ARGUMENT,
                message=f"the request is not a valid {rpc.request.DESCRIPTOR.full_name}: "
                f"malformed bytes, or text that is not UTF-8",
            )
        reply = rpc.handle(request, call)
        call.deadline.check()
        encoded = reply if isinstance(reply, bytes) else reply.SerializeToString()
        return Outcome(grpc.StatusCode.OK, reply=encoded)
    except Exception as error:
        return of_exception(error, method, call.deadline)
