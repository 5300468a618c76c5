"""The gRPC server that every service runs in: health, reflection, limits, TLS, draining.

One event loop accepts calls and answers health checks; the work is done in a pool of threads, so
that a busy server still says that it lives. Requests arrive as bytes and are parsed in the pool:
what is malformed becomes INVALID_ARGUMENT, and a parser never holds up the loop.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, NoReturn, Protocol, TypeAlias

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import (
    Cancelled,
    Denied,
    Exhausted,
    Invalid,
    Missing,
    TimedOut,
    TooLarge,
    Unreachable,
    Unready,
    Violation,
)

logger: Final = logging.getLogger("suggestion")

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
# Clients accept 8 KiB of metadata; a longer error reaches them as RESOURCE_EXHAUSTED.
_MESSAGE_BYTES: Final = 3000
_DETAILS_BYTES: Final = 2400
# A Watch of the health service, and the last callers, are told before their connections end.
_FAREWELL_SECONDS: Final = 0.1
# For telling those whose calls the grace period was too short for.
_LAST_SECONDS: Final = 1.0
_SHUTTING_DOWN: Final = "this server is shutting down"

_CODES: Final[Mapping[type[Exception], grpc.StatusCode]] = {
    Exhausted: grpc.StatusCode.OUT_OF_RANGE,
    Unready: grpc.StatusCode.FAILED_PRECONDITION,
    Missing: grpc.StatusCode.NOT_FOUND,
    Denied: grpc.StatusCode.PERMISSION_DENIED,
    Unreachable: grpc.StatusCode.UNAVAILABLE,
    TimedOut: grpc.StatusCode.DEADLINE_EXCEEDED,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

Metadata: TypeAlias = tuple[tuple[str, bytes], ...]


class Call:
    """One call, as its handler sees it.

    Attributes:
        deadline: When the caller stops waiting, and whether it has gone.
        facts: What the log line says of the call.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.facts: dict[str, object] = {}

    def describe(self, **facts: object) -> None:
        """Adds facts to the log line."""
        self.facts.update(facts)


class Rpc(NamedTuple):
    """One method of a service.

    Attributes:
        request: Class of its request.
        handle: Computes the reply, or its bytes, in a thread; what it raises of
            `suggestion.problem.errors` becomes a status.
    """

    request: type[Message]
    handle: Callable[[Any, Call], Message | bytes]


class Service(Protocol):
    """What a server serves."""

    @property
    def full_name(self) -> str:
        """With its package: ``api.v1.beta1.Suggestion``."""
        ...

    @property
    def health_names(self) -> tuple[str, ...]:
        """Names under which the health service answers for it, besides the empty one."""
        ...

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        """Its methods by name."""
        ...


class TLS(NamedTuple):
    """PEM contents; with `client_ca`, clients must show a certificate that it signed."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


class Options(NamedTuple):
    """How a server runs.

    Attributes:
        workers: Calls computed at a time; further ones wait.
        max_message_bytes: Largest request.
        grace: Seconds that calls in flight are given on SIGTERM.
        tls: Plaintext if None.
    """

    workers: int = 4
    max_message_bytes: int = 64 * 2**20
    grace: float = 20.0
    tls: TLS | None = None


class _Outcome(NamedTuple):
    """What became of a call."""

    code: grpc.StatusCode
    reply: bytes = b""
    message: str = ""
    metadata: Metadata = ()
    trace: str = ""


@dataclass(slots=True)
class _State:
    """What the methods of one running server share."""

    pool: ThreadPoolExecutor
    max_message_bytes: int
    draining: bool = False
    grace_is_over: bool = False
    # Until the reply is sent. The events are set once there is one, or the caller has gone.
    in_flight: dict[threading.Event, asyncio.Task[Any]] = field(default_factory=dict)


# ------------------------------------------------------------------- one call


def _work(rpc: Rpc, method: str, raw: bytes, call: Call, limit: int) -> _Outcome:
    """Parses, handles and serialises; every exception becomes a status."""
    try:
        call.deadline.check()
        if len(raw) > limit:
            return _Outcome(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                message=f"the request has {len(raw)} bytes, this server accepts {limit}; "
                f"start it with a larger --max-message-mib",
            )
        try:
            request = rpc.request.FromString(raw)
        except DecodeError:
            return _Outcome(
                grpc.StatusCode.INVALID_ARGUMENT,
                message=f"the request is not a valid {rpc.request.DESCRIPTOR.full_name}: "
                f"malformed bytes, or text that is not UTF-8",
            )
        reply = rpc.handle(request, call)
        call.deadline.check()
        encoded = reply if isinstance(reply, bytes) else reply.SerializeToString()
        return _Outcome(grpc.StatusCode.OK, reply=encoded)
    except Invalid as error:
        return _invalid(error.violations)
    except tuple(_CODES) as error:
        return _Outcome(_CODES[type(error)], message=_cut(str(error)))
    except Cancelled:
        if call.deadline.remaining() <= 0:
            return _Outcome(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                message=f"{method} did not finish before the call's deadline",
            )
        return _Outcome(grpc.StatusCode.CANCELLED, message="the caller has gone")
    except grpc.RpcError as error:  # of a call that the handler made itself
        return _Outcome(error.code(), message=_cut(str(error.details())))
    except Exception as error:
        return _Outcome(
            grpc.StatusCode.INTERNAL,
            message=_cut(f"a bug in this server: {type(error).__name__}: {error}"),
            trace=traceback.format_exc(),
        )


def _encoded(character: str) -> int:
    """Bytes that `character` takes in a message: gRPC percent-encodes what is not plain ASCII."""
    plain = " " <= character <= "~" and character != "%"
    return 1 if plain else 3 * len(character.encode("utf-8", "replace"))


def _cut(text: str, limit: int = _MESSAGE_BYTES) -> str:
    """`text`, or as much of it as takes `limit` bytes in a message."""
    size = 0
    for index, character in enumerate(text):
        size += _encoded(character)
        if size > limit:
            return f"{text[: max(index - 3, 0)]}..."
    return text


def _invalid(violations: Sequence[Violation]) -> _Outcome:
    """INVALID_ARGUMENT with the violations as text, and as ``google.rpc.BadRequest``."""
    # Only here, since most servers never need them.
    from google.rpc import code_pb2, error_details_pb2, status_pb2  # noqa: PLC0415
    from grpc_status import rpc_status  # noqa: PLC0415

    texts: list[str] = []
    size = 0
    for violation in violations:
        text = _cut(violation.description, 600)
        size += sum(map(_encoded, text)) + 2
        if texts and size > _MESSAGE_BYTES - 100:
            texts.append(f"and {len(violations) - len(texts)} more")
            break
        texts.append(text)
    message = _cut("; ".join(texts))

    details = error_details_pb2.BadRequest()
    for violation in violations:
        details.field_violations.add(
            field=_cut(violation.field, 300), description=_cut(violation.description, 600)
        )
        if details.ByteSize() > _DETAILS_BYTES:
            del details.field_violations[-1]
            break
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=_cut(message, 600))
    status.details.add().Pack(details)
    metadata = tuple(
        (key, value)
        for key, value in rpc_status.to_status(status).trailing_metadata
        if isinstance(value, bytes)
    )
    return _Outcome(grpc.StatusCode.INVALID_ARGUMENT, message=message, metadata=metadata)


def _method(
    service: str, name: str, rpc: Rpc, state: _State
) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def serve(raw: bytes, context: Any) -> bytes:
        started = time.perf_counter()
        if state.draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, _SHUTTING_DOWN)
        gone = threading.Event()
        left = context.time_remaining()
        at = float("inf") if left is None else time.monotonic() + left
        call = Call(Deadline(at, gone.is_set))
        task = asyncio.current_task()
        assert task is not None
        state.in_flight[gone] = task
        context.add_done_callback(lambda _: state.in_flight.pop(gone))
        outcome = _Outcome(grpc.StatusCode.CANCELLED)
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(
                state.pool, _work, rpc, name, raw, call, state.max_message_bytes
            )
        except asyncio.CancelledError:
            if not state.grace_is_over:  # it is the caller who has gone
                raise
            outcome = _Outcome(
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
        if outcome.code is not grpc.StatusCode.OK:
            await context.abort(outcome.code, outcome.message, outcome.metadata)
        return outcome.reply

    return serve


# ------------------------------------------------------------------ the server


class _Reflection(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Server reflection, imported when somebody asks: it costs 3 MiB and a tenth of the start."""

    _PREFIX = "/grpc.reflection."

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._handlers: list[Any] = []

    def service(self, handler_call_details: Any) -> Any:
        if not handler_call_details.method.startswith(self._PREFIX):
            return None
        if not self._handlers:
            from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc  # noqa: PLC0415

            names = (*self._names, reflection.SERVICE_NAME)
            servicer = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, self)
        for handler in self._handlers:
            if (found := handler.service(handler_call_details)) is not None:
                return found
        return None

    # What a generated add_..._to_server function calls on a server.

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self._handlers.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """The generic handlers are the same."""


class Server:
    """A gRPC server on one address; made and used inside one event loop.

    Args:
        services: What it serves; at least one.
        options: How it runs.
    """

    def __init__(self, services: Sequence[Service], options: Options) -> None:
        self._options = options
        self._services = tuple(services)
        pool = ThreadPoolExecutor(max_workers=options.workers, thread_name_prefix="suggest-worker")
        self._state = _State(pool, options.max_message_bytes)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._server = grpc.aio.server(
            options=[
                # Between this limit and twice it our own message says what to do.
                ("grpc.max_receive_message_length", 2 * options.max_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Two servers on one port would share its calls by chance.
                ("grpc.so_reuseport", 0),
                # Clients that ping every 10 s, as Go's do, are not sent away.
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5000),
            ]
        )
        for service in self._services:
            handlers = {
                name: grpc.unary_unary_rpc_method_handler(
                    _method(service.full_name, name, rpc, self._state)
                )
                for name, rpc in service.rpcs.items()
            }
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(service.full_name, handlers),)
            )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*(service.full_name for service in self._services), health.SERVICE_NAME)
        self._server.add_generic_rpc_handlers((_Reflection(names),))

    async def start(self, address: str) -> str:
        """Listens on `address`, ``HOST:PORT`` or ``unix:PATH``; port 0 picks a free one.

        Returns:
            The address, with the port that was picked.

        Raises:
            OSError: If it cannot be bound.
        """
        tls = self._options.tls
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                credentials = grpc.ssl_server_credentials(
                    [(tls.key, tls.certificate)],
                    root_certificates=tls.client_ca,
                    require_client_auth=tls.client_ca is not None,
                )
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
        if not port and not address.startswith("unix:"):
            raise OSError(f"cannot listen on {address}")
        await self._server.start()
        for service in self._services:
            for name in service.health_names:
                await self._health.set(name, _SERVING)
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def drain(self) -> None:
        """NOT_SERVING at once; waits for calls in flight, at most the grace period.

        Calls that come later, or take longer, are told UNAVAILABLE.
        """
        state = self._state
        until = time.monotonic() + self._options.grace
        await self._health.enter_graceful_shutdown()
        state.draining = True
        await asyncio.sleep(_FAREWELL_SECONDS)
        await self._idle(until)
        state.grace_is_over = True
        for gone, task in state.in_flight.items():
            if not gone.is_set():
                gone.set()
                task.cancel()
        await self._idle(time.monotonic() + _LAST_SECONDS)
        await asyncio.sleep(_FAREWELL_SECONDS)

    async def _idle(self, until: float) -> None:
        while self._state.in_flight and time.monotonic() < until:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Ends at once."""
        await self._server.stop(None)
        self._state.pool.shutdown(wait=False, cancel_futures=True)


class Endpoint(NamedTuple):
    """An address and what is served there."""

    address: str
    services: tuple[Service, ...]


async def _run(
    endpoints: Sequence[Endpoint], options: Options, ready: Callable[[Sequence[str]], None]
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    servers = [Server(endpoint.services, options) for endpoint in endpoints]
    try:
        ready([await s.start(e.address) for s, e in zip(servers, endpoints, strict=True)])
    except BaseException:
        await asyncio.gather(*(server.close() for server in servers))
        raise
    await stopping.wait()
    logger.info("stopping", extra={"facts": {}})
    await asyncio.gather(*(server.drain() for server in servers))
    _end()


def _end() -> NoReturn:
    """Ends the process, and its connections with it.

    A call that comes too late finds its connection closed, which is UNAVAILABLE, and clients try
    again. If gRPC were shut down first it would tell such a call CANCELLED (grpc/grpc#41785), and
    they give up. Also, a computation that does not look at its deadline must not hold the end up.
    """
    atexit._run_exitfuncs()  # which os._exit leaves out
    sys.stdout.flush()
    os._exit(0)


def run(
    endpoints: Sequence[Endpoint], options: Options, ready: Callable[[Sequence[str]], None]
) -> None:
    """Serves until SIGTERM or SIGINT, then drains and ends the process with status 0.

    Args:
        endpoints: Served by one process.
        options: Of each of them.
        ready: Called with their addresses once all of them accept calls.

    Raises:
        OSError: If an address cannot be bound.
    """
    _be_thrifty()
    asyncio.run(_run(endpoints, options, ready))


def _be_thrifty() -> None:
    """Has glibc keep one heap for all threads, and give large arrays back when they are freed.

    Else every thread has a heap of its own, a twentieth of the memory limit; and once a large array
    was freed, others are laid into the heap, where what lies behind them decides what comes back.
    """
    m_mmap_threshold, m_arena_max = -3, -8  # of <malloc.h>
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(m_arena_max, 1)
        libc.mallopt(m_mmap_threshold, 2**20)


# --------------------------------------------------------------------- logging


class _Text(logging.Formatter):
    """``2026-11-21T22:40:00Z INFO GetSuggestions experiment=mnist count=3 ms=1.2 outcome=OK``."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%SZ"
    default_msec_format = None

    def format(self, record: logging.LogRecord) -> str:
        facts = dict(getattr(record, "facts", {}))
        facts.pop("method", None)
        words = [self.formatTime(record), record.levelname, record.getMessage()]
        words += [f"{key}={_shown(value)}" for key, value in facts.items()]
        lines = [" ".join(words)]
        if trace := getattr(record, "trace", ""):
            lines.append(trace.rstrip())
        if record.exc_info:
            lines.append(self.formatException(record.exc_info))
        return "\n".join(lines)


class _Json(_Text):
    """The same as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if trace := getattr(record, "trace", ""):
            entry["trace"] = trace
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _shown(value: object) -> str:
    text = str(value)
    text = text if len(text) <= 300 else f"{text[:300]}..."
    plain = text and text.isprintable() and not set(text) & set(' "=')
    return text if plain else json.dumps(text)


def log_to_stderr(format: str) -> None:
    """Writes a line a call to standard error, as ``text`` or ``json``."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format == "json" else _Text())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
