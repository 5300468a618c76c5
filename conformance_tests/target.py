"""Connect to a server, and start servers of the same kind."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.check import Call, NotRun

#: Seconds after which the controller gives up on a call.
DEADLINE: Final = 60.0
#: Seconds that a server may take from its start to its first answer.
START_TIME: Final = 60.0


@dataclass(frozen=True, slots=True)
class TLS:
    """What a client needs to speak TLS; certificates and keys are PEM contents.

    Attributes:
        name: Name in the server's certificate, if it is another than the host's.
    """

    ca: bytes
    certificate: bytes | None = None
    key: bytes | None = None
    name: str = ""


class Client:
    """A connection like the controller's: replies of at most 4 MiB, not encrypted by default.

    Class attributes:
        tls: For all connections of this process; set before the first is opened.

    Args:
        address: ``HOST:PORT``.
        record: Called with every call.
    """

    tls: ClassVar[TLS | None] = None

    def __init__(self, address: str, record: Callable[[Call], None] = lambda call: None) -> None:
        self.address = address
        self._record = record
        self._channel = self._open(
            address,
            [
                ("grpc.max_send_message_length", -1),
                # A connection of its own, so that calls of several clients are concurrent.
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_http_proxy", 0),
                # A starting server is noticed soon. (Not min_reconnect_backoff_ms, which also
                # limits how long a connection may take.)
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 250),
            ],
        )
        self._methods: dict[str, Any] = {}

    def _open(self, address: str, options: list[tuple[str, Any]]) -> grpc.Channel:
        if self.tls is None:
            return grpc.insecure_channel(address, options=options)
        if self.tls.name:
            options.append(("grpc.ssl_target_name_override", self.tls.name))
        credentials = grpc.ssl_channel_credentials(self.tls.ca, self.tls.key, self.tls.certificate)
        return grpc.secure_channel(address, credentials, options=options)

    def call(self, method: str, request: Message, timeout: float = DEADLINE) -> Call:
        """Call ``Service/Method``; an error is recorded as an answer."""
        stub = self._methods.get(method) or self._stub(method)
        begin = time.perf_counter()
        reply, code, details = None, grpc.StatusCode.OK, ""
        try:
            reply = stub(request, timeout=timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
        made = Call(method, request, reply, code, details, time.perf_counter() - begin)
        self._record(made)
        return made

    def _stub(self, method: str) -> Any:
        service, name = method.split("/")
        described = pb.DESCRIPTOR.services_by_name[service].methods_by_name[name]
        stub = self._channel.unary_unary(
            f"/{pb.DESCRIPTOR.package}.{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(described.output_type).FromString,
        )
        self._methods[method] = stub
        return stub

    def health(self, service: str, timeout: float = 10.0) -> Call:
        """Call the health service for `service`."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        request = health_pb2.HealthCheckRequest(service=service)
        begin = time.perf_counter()
        reply, code, details = None, grpc.StatusCode.OK, ""
        try:
            reply = stub.Check(request, timeout=timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
        made = Call("Health/Check", request, reply, code, details, time.perf_counter() - begin)
        self._record(made)
        return made

    def wait(self, timeout: float) -> bool:
        """Return whether the server answers calls, even with an error, within `timeout` seconds."""
        # Not grpc.channel_ready_future, whose thread outlives the channel and reports an error.
        stub = health_pb2_grpc.HealthStub(self._channel)
        try:
            stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            silent = (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
            return error.code() not in silent
        return True

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


class Instance(Protocol):
    """A server that the suite has started."""

    address: str

    def kill(self) -> None:
        """Kill it without warning, like ``kill -9``."""

    def start(self) -> None:
        """Start it again after `kill`, at the same address."""

    def peak_memory(self) -> float | None:
        """Return its peak resident memory in MiB; None if that is unknown."""


class Launcher(Protocol):
    """Start servers of the kind under test."""

    def launch(self) -> Instance:
        """Return a fresh server that answers."""


def free_port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ProcessInstance:
    """A server started by a command.

    Args:
        command, stop, status: Those of `ProcessLauncher`, with the port inserted.
    """

    def __init__(self, command: str, port: int, stop: str = "", status: str = "") -> None:
        self.address = f"127.0.0.1:{port}"
        self._command = command
        self._stop = stop
        self._status = status
        self._process: subprocess.Popen[bytes] | None = None
        self._output = Path(tempfile.mkstemp(prefix="conformance-", suffix=".log")[1])

    def start(self) -> None:
        """Run the command and wait until the server answers.

        Raises:
            NotRun: It ends instead, or takes more than a minute.
        """
        with self._output.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    shlex.split(self._command),
                    stdout=output,
                    stderr=output,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                raise NotRun(f"the command {self._command!r} cannot be run: {error}") from None
        client = Client(self.address)
        try:
            until = time.monotonic() + START_TIME
            while not client.wait(0.5):
                if self._process.poll() is not None:
                    raise NotRun(
                        f"the command {self._command!r} ended with status "
                        f"{self._process.returncode} before it served: {self._tail()}"
                    )
                if time.monotonic() > until:
                    self.kill()
                    raise NotRun(
                        f"{self._command!r} did not serve at {self.address} within "
                        f"{START_TIME:.0f} s: {self._tail()}"
                    )
        finally:
            client.close()

    def _tail(self) -> str:
        return self._output.read_text(errors="replace")[-1000:].strip() or "no output"

    def kill(self) -> None:
        """Kill the whole process group."""
        if self._process is None:
            return
        if self._stop:
            subprocess.run(shlex.split(self._stop), check=False, capture_output=True, timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def peak_memory(self) -> float | None:
        """Return the peak resident memory of the process group in MiB, from /proc or by the status
        command.
        """
        if self._status:
            done = subprocess.run(
                shlex.split(self._status), check=False, capture_output=True, text=True, timeout=60
            )
            peaks = _peaks(done.stdout)
            return sum(peaks) / 1024 if peaks else None
        if self._process is None or self._stop:
            return None  # a server in a container, for instance, is not its child
        peaks = []
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                if os.getpgid(int(status.parent.name)) != self._process.pid:
                    continue
                peaks += _peaks(status.read_text())
            except OSError:
                continue  # it has ended in the meantime
        return sum(peaks) / 1024 if peaks else None

    def discard(self) -> None:
        """Kill it and delete its output."""
        self.kill()
        self._output.unlink(missing_ok=True)


class ProcessLauncher:
    """Start servers by a command line.

    Args:
        command: ``{port}`` in it is replaced by a free port.
        stop: Command that kills a server, if killing the command's process group is not enough:
            ``docker rm --force suggestion-{port}``.
        status: Command that prints ``/proc/PID/status`` of the server, if it is not the command's
            own process: ``docker exec suggestion-{port} cat /proc/1/status``.
    """

    def __init__(self, command: str, stop: str = "", status: str = "") -> None:
        self.command = command
        self.stop = stop
        self.status = status
        self._launched: list[ProcessInstance] = []

    def launch(self) -> ProcessInstance:
        """Start a server at a free port of this machine."""
        port = free_port()
        fill = {"port": str(port)}
        command, stop, status = (_fill(t, fill) for t in (self.command, self.stop, self.status))
        instance = ProcessInstance(command, port, stop, status)
        self._launched.append(instance)
        instance.start()
        return instance

    def close(self) -> None:
        """Kill every server that was started."""
        for instance in self._launched:
            instance.discard()
        self._launched.clear()


def _peaks(status: str) -> list[int]:
    """Return the peaks of resident memory, in KiB, in a text like ``/proc/PID/status``."""
    return [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]


def _fill(template: str, values: dict[str, str]) -> str:
    # Not str.format, because commands may contain other braces.
    for key, value in values.items():
        template = template.replace("{" + key + "}", value)
    return template
