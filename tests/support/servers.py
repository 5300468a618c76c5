"""Real servers in processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2_grpc

from suggestion.api.v1beta1 import api_pb2_grpc

PLUGIN = Path(__file__).resolve().parents[1] / "plugin"


class ServerProcess:
    """``suggest serve`` on a free port; `stub` calls it."""

    def __init__(self, *arguments: str, address: str = "127.0.0.1:0", **environment: str) -> None:
        command = [sys.executable, "-m", "suggestion", "serve", *arguments, "--address", address]
        # A file, not a pipe: a server whose log nobody reads would stop at 64 KiB.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PLUGIN), **environment},
        )
        assert self.process.stdout is not None
        self.banner = self.process.stdout.readline().strip()
        if not self.banner.startswith("serving "):
            self.process.wait(timeout=30)
            said = self.log()
            self._close_files()
            raise RuntimeError(said)
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
        status = self.process.wait(timeout=timeout)
        self.channel.close()
        return status, self.log()

    def log(self) -> str:
        """What it has written to standard error so far."""
        self._log.seek(0)
        return self._log.read()

    def close(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=30)
        self._close_files()

    def _close_files(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


@contextlib.contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[ServerProcess]:
    server = ServerProcess(*arguments, **environment)
    try:
        yield server
    finally:
        server.close()
