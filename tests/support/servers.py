"""Real servers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import grpc
from grpc_health.v1 import health_pb2_grpc

from suggestion.api import api_pb2_grpc


class ServerProcess:
    """``suggest serve`` on a free port; `stub` calls it."""

    def __init__(self, *arguments: str, address: str = "127.0.0.1:0", **environment: str) -> None:
        command = [sys.executable, "-m", "suggestion", "serve", *arguments, "--address", address]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        self.banner = self.process.stdout.readline().strip()
        if not self.banner.startswith("serving "):
            raise RuntimeError(self.process.communicate()[1])
        self.address = self.banner.rpartition(" ")[2]
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self.channel = grpc.insecure_channel(self.address, options=options)
        self.stub = api_pb2_grpc.SuggestionStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def kill(self) -> None:
        """``kill -9``."""
        self.process.send_signal(signal.SIGKILL)
        self.close()

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> tuple[int, str]:
        """Exit status and what was logged."""
        self.process.send_signal(number)
        log = self.process.communicate(timeout=timeout)[1]
        self.channel.close()
        return self.process.returncode, log

    def close(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=30)


@contextlib.contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(*arguments, **environment)
    try:
        yield server
    finally:
        server.close()
