"""The servers an experiment needs, as processes of this runner or elsewhere, and calls to them.

A server of ours that dies is started again: none of them keeps anything that the next call needs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import grpc

from suggestion.api.v1beta1 import api_pb2_grpc

# A server ends with the runner that started it, however that ends; when it is too late to ask the
# kernel for it, the server's parent is another already.
_BOOT: Final = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)\n"
    "if os.getppid() != int(sys.argv.pop(1)): sys.exit()\n"
    "from suggestion.cli.main import main\n"
    "sys.argv[0] = 'suggest'\n"
    "main()\n"
)
_ADDRESS: Final = re.compile(r"\bon (\S+:\d+)\s*$", re.MULTILINE)
_START_SECONDS: Final = 60.0
_STARTS: Final = 4
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that was started again is to be found at once.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
#: Seconds that a controller waits for a reply.
TIMEOUT: Final = 60.0

# Nobody answered, or something on the machine must be mended first: asked again for ever.
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
_PATIENCE: Final = 5


class ServerError(Exception):
    """A server that does not start; the text says what it said."""


class Server(Protocol):
    """Something that listens."""

    def address(self) -> str:
        """Where it listens now.

        Raises:
            ServerError: If it cannot be started.
        """
        ...

    def stop(self) -> None:
        """Ends it, if it is ours."""
        ...


class Remote:
    """A server that somebody else runs."""

    def __init__(self, target: str) -> None:
        self._target = target

    def address(self) -> str:
        return self._target

    def stop(self) -> None:
        """It is not ours to stop."""


class Local:
    """A server process of this runner, on a free port; started when its address is first asked for.

    Args:
        arguments: Of ``suggest serve``, without the address.
        log: File for what it prints.
        env: Variables on top of this process's own.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self._arguments = arguments
        self._log = log
        self._env = env or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        self._guard = threading.Lock()
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def launch(self) -> None:
        """Begins to start it, without waiting until it listens.

        To be called in the main thread: the kernel ends the server with the *thread* that began it.
        """
        with self._guard:
            self._launch()

    def _launch(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._address = ""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", _BOOT, str(os.getpid()), "serve", *self._arguments]
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, "--address", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env},
                start_new_session=True,  # Ctrl-C is for the runner
            )

    def address(self) -> str:
        with self._guard:
            for attempt in range(_STARTS):
                if self._stopped:
                    raise ServerError("the runner is ending")
                if self._process is None or self._process.poll() is not None:
                    self._launch()
                try:
                    self._address = self._address or self._wait()
                    return self._address
                except ServerError:
                    assert self._process is not None
                    # One that was killed may be luckier the next time; one that gave up is not.
                    killed = (self._process.poll() or 0) < 0
                    if not killed or attempt == _STARTS - 1:
                        raise
            raise AssertionError("unreachable")

    def _wait(self) -> str:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        said = ""
        while time.monotonic() < deadline:
            ended = self._process.poll() is not None
            said = self._log.read_text(encoding="utf-8", errors="replace")
            match = _ADDRESS.search(said)
            if ended:
                break
            if match:
                return match[1]
            time.sleep(0.02)
        last = said.strip().splitlines()[-1:] or ["it said nothing"]
        raise ServerError(f"suggest serve {self._arguments[0]}: {last[0].removeprefix('Error: ')}")

    def stop(self) -> None:
        with self._guard:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()
                try:
                    self._process.wait(5)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()


class Stopped(Exception):
    """The runner ends before the call has succeeded."""


class Client:
    """Calls one service of one server, again and again until there is an answer.

    Args:
        service: ``Suggestion``, ``EarlyStopping`` or ``DBManager``.
        note: Told once of each kind of trouble.
        stopped: Set when nobody waits for answers any more.
    """

    def __init__(
        self,
        service: str,
        server: Server,
        note: Callable[[str], None],
        stopped: threading.Event,
    ) -> None:
        self.server = server
        self._service = service
        self._stub_class = getattr(api_pb2_grpc, f"{service}Stub")
        self._note = note
        self._stopped = stopped
        self._channel: grpc.Channel | None = None
        self._target = ""
        self._stub: Any = None
        self._guard = threading.Lock()

    def once(self, method: str, request: Any, timeout: float = TIMEOUT) -> Any:
        """One attempt.

        Raises:
            grpc.RpcError: If the server answers with an error, or not at all.
            ServerError: If it cannot be started.
        """
        target = self.server.address()
        with self._guard:
            if target != self._target:
                if self._channel is not None:
                    self._channel.close()
                self._channel = grpc.insecure_channel(target, options=_OPTIONS)
                self._stub = self._stub_class(self._channel)
                self._target = target
            call = getattr(self._stub, method)
        return call(request, timeout=timeout)

    def call(
        self,
        method: str,
        request: Any,
        attempts: int | None = None,
        pause: float | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Calls until the server answers.

        Args:
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
        made = broken = 0
        while True:
            made += 1
            try:
                return self.once(method, request, timeout)
            except grpc.RpcError as error:
                if self._stopped.is_set():
                    raise Stopped from error
                broken += error.code() in _BROKEN
                known = error.code() in _LOST | _BROKEN
                if not known or made == attempts or broken == _PATIENCE:
                    raise
                text = f"{self._service} at {self._target}: {describe(error)}; asking again"
                if text != said:
                    said = text
                    self._note(text)
            if self._stopped.wait(wait):
                raise Stopped
            if pause is None:
                wait = min(wait * 2, 10.0)

    def close(self) -> None:
        """Of the channel; calls in flight end as cancelled."""
        with self._guard:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
                self._target = ""


def describe(error: grpc.RpcError) -> str:
    """A status in words."""
    return f"{error.code().name}: {error.details()}"
