"""One call: read, parsed, handled and serialised in a thread, logged, and told if the server stops.

What all calls of a process share is here: how many there may be, the memory of their requests, and
the threads that compute them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from suggestion.api.exchange import CallRefused, Outcome, Request
from suggestion.api.service import Call, Lane, Rpc
from suggestion.problem.deadline import Deadline
from suggestion.server.compression import Malformed, TooLong, decompress, is_compressed
from suggestion.server.execution import Job, Threads
from suggestion.server.intake import Intake, TooSlow
from suggestion.server.memory import MIB, Capacity, MeasuredCapacity, Pool, Unsent, of_copies
from suggestion.server.processes import Processes
from suggestion.server.statuses import for_validation, of_exception
from suggestion.server.workers import Workers

logger: Final = logging.getLogger("suggestion")

_SHUTTING_DOWN: Final = "this server is shutting down"
# A Watch of the health service, and the last callers, are told before their connections end.
_FAREWELL_SECONDS: Final = 0.1
# For telling those whose calls the grace period was too short for.
_LAST_SECONDS: Final = 1.0
#: How long a request may take to come while others wait, in seconds.
_SECONDS_TO_SEND: Final = 5.0


@dataclass(slots=True)
class Calls:
    """What the methods of all servers of a process share.

    Attributes:
        workers: Calls that are computed at a time by each process, in lanes of no size of their
            own.
        measured: Limits of requests, their number and their memory.
        longest: Seconds that a call may take, whatever its deadline.
        processes: Number of processes that compute; 0 if threads of this one do.
        modules: What each of them imports before its first call.
        draining: Whether new calls are refused.
        grace_is_over: Whether those in flight have been cancelled by the server.
        in_flight: The calls whose reply is not sent yet. The events are set once there is one, or
            the caller has gone.
    """

    workers: int
    measured: MeasuredCapacity
    longest: float
    processes: int = 0
    modules: tuple[str, ...] = ()
    draining: bool = False
    grace_is_over: bool = False
    in_flight: dict[threading.Event, asyncio.Task[Any]] = field(default_factory=dict)
    _current: Capacity = field(init=False)
    _intake: Intake = field(init=False)
    _computed: Pool = field(init=False)
    _unsent: Unsent = field(init=False)
    _decompressing: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _lanes: dict[Lane, Workers] = field(init=False, default_factory=dict)
    _entered: int = field(init=False, default=0)
    _computing: Processes | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._current = self.measured.now
        self._intake = Intake(self._current.read, self._current.received, _SECONDS_TO_SEND)
        self._computed = Pool(self._current.computed)
        self._unsent = Unsent(self._current.unsent)
        if self.processes:
            self._computing = Processes(self.processes, 2 * self._computed_at_a_time, self.modules)

    @property
    def _computed_at_a_time(self) -> int:
        return self.workers * max(self.processes, 1)

    async def start(self) -> None:
        """Start the processes that compute, if there are to be any; once is enough.

        Raises:
            OSError: If one does not start.
        """
        if self._computing is not None:
            await self._computing.start()

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the other processes that compute; from any thread."""
        return () if self._computing is None else self._computing.pids

    # What other protocols need to know.

    @property
    def capacity(self) -> Capacity:
        """The limits that hold now."""
        capacity = self.measured.now
        if capacity is not self._current:
            self._current = capacity
            self._intake.resize(capacity.read, capacity.received)
            self._computed.size = capacity.computed
            self._unsent.most = capacity.unsent
        return capacity

    @property
    def max_message_bytes(self) -> int:
        """Largest request, decompressed."""
        return self.capacity.message

    @property
    def advice(self) -> str:
        """What allows larger requests."""
        return self.capacity.advice

    @property
    def stuck(self) -> bool:
        """Whether calls wait in vain, so that the process should be restarted."""
        if self._computing is not None and self._computing.broken:
            return True
        return any(workers.stuck(self.longest) for workers in self._lanes.values())

    def until(self, seconds: float | None) -> float:
        """Return when a call ends whose caller waits `seconds`; in those of `time.monotonic`."""
        longest = self.longest
        return time.monotonic() + (longest if seconds is None else min(seconds, longest))

    def too_late(self, name: str, rpc: Rpc) -> Outcome:
        """Return what a call is told that has not finished in time."""
        text = (
            f"{name} did not finish before the call's deadline, which is at most "
            f"{self.longest:g} s on this server; a larger --max-deadline allows more"
        )
        outcome = Outcome(grpc.StatusCode.DEADLINE_EXCEEDED, message=text)
        return for_validation(outcome) if rpc.validates else outcome

    # ------------------------------------------------------------------ a call

    @asynccontextmanager
    async def received(
        self, name: str, rpc: Rpc, read: Callable[[], Awaitable[bytes]]
    ) -> AsyncIterator[Request]:
        """Accept a call, and read its request when there is memory for it.

        Args:
            name: Of the method.
            rpc: The method.
            read: Reads the request, of at most `Capacity.received` bytes.

        Raises:
            CallRefused: If there are too many calls, or the request does not come.
        """
        if self.draining:
            raise CallRefused(Outcome(grpc.StatusCode.UNAVAILABLE, message=_SHUTTING_DOWN))
        capacity = self.capacity
        if self._entered >= capacity.calls:
            self._intake.hurry()
            raise _refused(
                name,
                rpc,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"this server has {self._entered} calls in flight, which is the most that it "
                f"accepts; repeat the call later, send fewer at a time, or start the server with "
                f"a larger --max-calls",
            )
        self._entered += 1
        came = False
        started = time.perf_counter()
        try:
            async with self._intake.request(read) as request:
                came = True
                yield request
        except asyncio.CancelledError:
            if not came:  # else `perform` says how it ends
                _log(name, Outcome(grpc.StatusCode.CANCELLED), {}, started)
            raise
        except TooSlow as error:
            raise _refused(
                name,
                rpc,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the request did not come within {_SECONDS_TO_SEND:g} s while others waited; "
                f"repeat the call",
            ) from error
        finally:
            self._entered -= 1

    async def perform(
        self,
        name: str,
        rpc: Rpc,
        request: Request,
        at: float,
        when_sent: Callable[[Callable[[], None]], object],
        compression: bool = False,
    ) -> Outcome:
        """Compute one call in a thread, and log it; if its task is cancelled, so is the call.

        Args:
            name: Of the method.
            rpc: The method.
            request: As it came.
            at: When the caller stops waiting, in seconds of `time.monotonic`.
            when_sent: Takes a function to call once the reply is sent; until then the call is in
                flight.
            compression: Whether the request may be compressed.
        """
        started = time.perf_counter()
        gone = threading.Event()
        call = Call(Deadline(at, gone.is_set))
        task = asyncio.current_task()
        assert task is not None
        self.in_flight[gone] = task
        when_sent(lambda: self._forget(gone))
        outcome = Outcome(grpc.StatusCode.CANCELLED)
        try:
            outcome = await self._computed_outcome(name, rpc, request, call, compression)
            if refusal := self._unsent.refusal(gone, len(outcome.reply)):
                outcome = Outcome(grpc.StatusCode.RESOURCE_EXHAUSTED, message=refusal)
        except CallRefused as refusal:
            outcome = refusal.outcome
        except Exception as error:
            outcome = of_exception(error, name, call.deadline)
        except asyncio.CancelledError:
            if not self.grace_is_over:  # it is the caller who has gone, or its deadline passed
                if call.deadline.remaining() <= 0:
                    outcome = Outcome(grpc.StatusCode.DEADLINE_EXCEEDED)
                raise
            outcome = Outcome(
                grpc.StatusCode.UNAVAILABLE,
                message=f"{_SHUTTING_DOWN}, and {name} did not finish within its grace period",
            )
        finally:
            gone.set()  # if nobody waits for the result, its thread stops at the next check
            if rpc.validates:
                outcome = for_validation(outcome)
            if outcome.message:
                call.describe(message=outcome.message)
            _log(name, outcome, call.facts, started, call.model_seconds)
        return outcome

    async def _computed_outcome(
        self, name: str, rpc: Rpc, request: Request, call: Call, compression: bool
    ) -> Outcome:
        """Wait for memory and a thread, and compute.

        Raises:
            CallRefused: If one of them is not to be had.
        """
        workers = self._workers(rpc.lane)
        if workers.full(rpc.lane.waiting):
            return Outcome(grpc.StatusCode.UNAVAILABLE, message=rpc.lane.when_full())
        with ExitStack() as held:
            with workers.waiting():
                raw = await self._accounted(rpc, request, compression, held)
                await workers.place()
            # From here on the memory is the thread's, which may outlive this task.
            ended = held.pop_all().close
            return await workers.run(Job(rpc, name, raw, call), ended)

    async def _accounted(
        self, rpc: Rpc, request: Request, compression: bool, held: ExitStack
    ) -> bytes:
        """Return the decompressed request, once the memory to compute it is reserved by `held`.

        Raises:
            CallRefused: If it is malformed, too long, or takes more memory than there is.
        """
        compressed = compression and is_compressed(request.raw)
        # One at a time: what comes out is accounted for before the next is looked at.
        async with self._decompressing if compressed else nullcontext():
            raw = await self._decompressed(rpc, request.raw) if compressed else request.raw
            if len(raw) > self.capacity.message:
                raise self._too_long(rpc)
            if len(raw) <= MIB:
                amount = rpc.footprint(raw)
            else:
                amount = await asyncio.to_thread(rpc.footprint, raw)
            if self.processes and rpc.portable:
                amount += of_copies(raw)
            if amount > self._computed.size:
                raise _too_large(
                    rpc,
                    f"the request would take about {amount // MIB} MiB of memory, this server has "
                    f"{self._computed.size // MIB} for requests; {self.capacity.advice}",
                )
            held.enter_context(await self._computed.reserve(amount))
        request.release()
        return raw

    async def _decompressed(self, rpc: Rpc, raw: bytes) -> bytes:
        job = asyncio.ensure_future(asyncio.to_thread(decompress, raw, self.capacity.message))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            # Its memory is in use until it ends, and the next one waits for that.
            await asyncio.wait((job,))
            if not job.cancelled():
                job.exception()  # looked at, so that asyncio does not report it
            raise
        except Malformed as error:
            raise CallRefused(
                Outcome(grpc.StatusCode.INVALID_ARGUMENT, message=str(error))
            ) from error
        except TooLong as error:
            raise self._too_long(rpc) from error

    def _too_long(self, rpc: Rpc) -> CallRefused:
        return _too_large(
            rpc,
            f"the request has more than the {self.capacity.message} bytes that this server "
            f"accepts; {self.capacity.advice}",
        )

    def _workers(self, lane: Lane) -> Workers:
        if lane not in self._lanes:
            size = lane.threads or self._computed_at_a_time
            executor = self._computing if lane.threads is None else None
            self._lanes[lane] = Workers(size, executor or Threads(2 * size))
        return self._lanes[lane]

    def _forget(self, gone: threading.Event) -> None:
        self._unsent.sent(gone)
        del self.in_flight[gone]

    # ------------------------------------------------------------------ the end

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

    def shutdown(self) -> None:
        """Start no further computation."""
        if self._computing is not None:
            self._computing.shutdown()
        for workers in self._lanes.values():
            workers.shutdown()


def _refused(name: str, rpc: Rpc, code: grpc.StatusCode, message: str) -> CallRefused:
    """Log and return the refusal of a call whose request is not read."""
    outcome = Outcome(code, message=message)
    if rpc.validates:
        outcome = for_validation(outcome)
    _log(name, outcome, {"message": message}, time.perf_counter())
    return CallRefused(outcome)


def _too_large(rpc: Rpc, message: str) -> CallRefused:
    """Return the refusal of a request that this server will never accept."""
    codes = grpc.StatusCode
    code = codes.INVALID_ARGUMENT if rpc.validates else codes.RESOURCE_EXHAUSTED
    return CallRefused(Outcome(code, message=message))


def _log(
    name: str,
    outcome: Outcome,
    described: dict[str, object],
    started: float,
    model_seconds: float | None = None,
) -> None:
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    facts = {"method": name, **described, "ms": milliseconds, "outcome": outcome.code.name}
    level = logging.ERROR if outcome.trace else logging.INFO
    extra = {"facts": facts, "trace": outcome.trace, "model_seconds": model_seconds}
    logger.log(level, "%s", name, extra=extra)
