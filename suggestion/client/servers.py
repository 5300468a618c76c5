"""The servers an experiment needs, as processes of this runner or elsewhere, and calls to them.

A server of ours that dies is started again: none of them keeps anything that the next call needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

import grpc

from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.channels import ClientTLS, open_channel

# A server that was started again is found at once.
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
#: Seconds that a controller waits for a reply.
TIMEOUT: Final = 60.0

# Nobody answered, or something on the machine must be fixed first: asked again for ever.
_LOST: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)
# The server is in trouble, which may pass: asked again a few times.
_BROKEN: Final = frozenset(
    {
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNKNOWN,
    }
)
_MOST_BROKEN_REPLIES: Final = 5
# So many calls in a row without an answer in time: a server of ours hangs, and is started again.
_LATE: Final = 2


class Server(Protocol):
    """Something that listens."""

    def address(self) -> str:
        """Return where it listens now.

        Raises:
            ServerError: If it cannot be started.
        """
        ...

    def kill(self) -> None:
        """End it at once if it is ours; `address` starts it again."""
        ...

    def stop(self) -> None:
        """End it for good, if it is ours."""
        ...


class Remote:
    """A server that somebody else runs."""

    def __init__(self, target: str) -> None:
        self._target = target

    def address(self) -> str:
        return self._target

    def kill(self) -> None:
        """It is not ours to end."""

    def stop(self) -> None:
        """It is not ours to stop."""


class Stopped(Exception):
    """The runner ends before the call has succeeded."""


class Client:
    """Call one service of one server, again and again until there is an answer.

    Args:
        service: ``Suggestion``, ``EarlyStopping`` or ``DBManager``.
        note: Told once of each kind of trouble.
        stopped: Set when nobody waits for answers any more.
        tls: None for connections without encryption.
    """

    def __init__(
        self,
        service: str,
        server: Server,
        note: Callable[[str], None],
        stopped: threading.Event,
        tls: ClientTLS | None = None,
    ) -> None:
        self.server = server
        self._tls = tls
        self._service = service
        self._stub_class = getattr(api_pb2_grpc, f"{service}Stub")
        self._note = note
        self._stopped = stopped
        self._channel: grpc.Channel | None = None
        self._target = ""
        self._stub: Any = None
        self._guard = threading.Lock()

    def once(self, method: str, request: Any, timeout: float = TIMEOUT) -> Any:
        """Make one attempt.

        Args:
            request: A message, or what makes one.

        Raises:
            grpc.RpcError: If the server answers with an error, or not at all.
            ServerError: If it cannot be started.
        """
        target = self.server.address()
        with self._guard:
            if target != self._target:
                if self._channel is not None:
                    self._channel.close()
                self._channel = open_channel(target, self._tls, _OPTIONS)
                self._stub = self._stub_class(self._channel)
                self._target = target
            call = getattr(self._stub, method)
        return call(request() if callable(request) else request, timeout=timeout)

    def call(
        self,
        method: str,
        request: Any,
        attempts: int | None = None,
        pause: float | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Call until the server answers.

        Args:
            request: A message, or what makes one: called for each attempt, since an address in it
                may have changed.
            attempts: At most; None for any number while nobody answers, and 5 if the server
                answers that it is broken.
            pause: Seconds between attempts; by default 0.1, doubled up to 10.

        Raises:
            grpc.RpcError: With a code that another attempt would not change, or the last one.
            ServerError: If a server of ours cannot be started.
            Stopped: If `stopped` is set meanwhile.
        """
        said = ""
        wait = 0.1 if pause is None else pause
        made = broken = late = 0
        while True:
            made += 1
            try:
                return self.once(method, request, timeout)
            except grpc.RpcError as error:
                if self._stopped.is_set():
                    raise Stopped from error
                broken += error.code() in _BROKEN
                late = late + 1 if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else 0
                known = error.code() in _LOST | _BROKEN
                if not known or made == attempts or broken == _MOST_BROKEN_REPLIES:
                    raise
                text = f"{self._service} at {self._target}: {describe(error)}; asking again"
                if text != said:
                    said = text
                    self._note(text)
            if late >= _LATE:
                late = 0
                self.server.kill()
            if self._stopped.wait(wait):
                raise Stopped
            if pause is None:
                wait = min(wait * 2, 10.0)

    def close(self) -> None:
        """Close the connection; calls in flight end as cancelled."""
        with self._guard:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
                self._target = ""


def describe(error: grpc.RpcError) -> str:
    """Return what a failed call says, in words."""
    return f"{error.code().name}: {error.details()}"
