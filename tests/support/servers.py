"""Real servers in processes of their own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from grpc_health.v1 import health_pb2_grpc

from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.channels import open_channel
from suggestion.client.launch import ANY_PORT, LocalServer

PLUGIN = Path(__file__).resolve().parents[1] / "plugin"


class ServerProcess:
    """``suggest serve`` on a free port; `stub` calls it.

    Raises:
        ServerError: If it does not start.
    """

    def __init__(self, *arguments: str, address: str = ANY_PORT, **environment: str) -> None:
        env = {"PYTHONPATH": str(PLUGIN), **environment}
        self._server = LocalServer(arguments, env=env, address=address).__enter__()
        self.address = self._server.address()
        self.channel = open_channel(self.address)
        self.stub = api_pb2_grpc.SuggestionStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self._server.process

    @property
    def banner(self) -> str:
        """The line in which it says what it serves."""
        return self._server.output().partition("\n")[0]

    def output(self) -> str:
        """All that it has printed so far."""
        return self._server.output()

    def address_of(self, name: str) -> str:
        """Return where it serves `name`."""
        return self._server.address_of(name)

    def kill(self) -> None:
        """``kill -9``."""
        self._server.kill()
        self.close()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> tuple[int, str]:
        """Exit status and what was logged."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=timeout)
        self.channel.close()
        return status, self.log()

    def log(self) -> str:
        """What it has printed so far, without the lines that say where it listens."""
        lines = self._server.output().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("serving "))

    def close(self) -> None:
        self.channel.close()
        self._server.close()


@contextlib.contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(*arguments, **environment)
    try:
        yield server
    finally:
        server.close()
