"""Containers of the built images, run as a restricted cluster runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.client.transports import OverGrpc
from suggestion.deployment.images import Image, Kind

ROOT: Final = Path(__file__).resolve().parent.parent
#: Nobody's, as OpenShift gives them out.
ANY_USER: Final = "1000690000:0"
CPUS: Final = 0.5
# A container that has just been started is tried at once.
_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
)


def docker(*arguments: object, check: bool = True, timeout: float = 1800) -> str:
    """Standard output of the command; what went wrong is in the exception."""
    done = subprocess.run(
        ["docker", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode:
        raise RuntimeError(f"docker {arguments[0]}: {done.stderr or done.stdout}")
    return done.stdout.strip()


@cache
def reference(image: Image) -> str:
    """Its reference, once it has been built as the sources are now, if it was not just built."""
    if not os.environ.get("IMAGES_ARE_BUILT"):
        command = [sys.executable, "-m", "scripts.images", "build", image.name]
        subprocess.run(command, cwd=ROOT, check=True)
    return f"{image.name}:latest"


def restrictions(image: Image, cpus: float = CPUS, read_only: bool = True) -> list[str]:
    """Options of ``docker run`` as a restricted cluster has them.

    That is: without privileges, under any user, on a file system that cannot be written, with half
    a CPU and no more memory than the table of images says.
    """
    limits = ["--memory", f"{image.memory}m", "--memory-swap", f"{image.memory}m"]
    limits += ["--cpus", str(cpus), "--pids-limit", "100"]
    rights = ["--user", ANY_USER, "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    if image.kind is Kind.SUGGESTION and (not image.serves or "pbt" in image.serves):
        # What it copies for trials has a volume of its own.
        rights += ["--tmpfs", "/tmp:mode=1777", "--env", "SUGGEST_DATA_DIR=/tmp/checkpoints"]
    return [*limits, *rights, *(["--read-only"] if read_only else [])]


class Container:
    """`image` with `arguments`, under the `restrictions`; a transport to what it serves."""

    def __init__(
        self,
        image: Image,
        *arguments: str,
        options: Sequence[str] = (),
        read_only: bool = True,
    ) -> None:
        self.image = image
        self.started = time.monotonic()
        rights = restrictions(image, read_only=read_only)
        published = ["--publish", f"127.0.0.1::{image.kind.port}", *options]
        self.id = docker("run", "--detach", *rights, *published, reference(image), *arguments)
        try:
            self._connect()
        except BaseException:
            self.remove()
            raise

    def _connect(self) -> None:
        self.address = docker("port", self.id, f"{self.image.kind.port}/tcp").splitlines()[0]
        self._connection = OverGrpc(self.address, timeout=600, wait=False, options=_OPTIONS)
        self.dbmanager = api_pb2_grpc.DBManagerStub(self._connection.channel)

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        """Ask it for suggestions, wherever it listens now."""
        return self._connection.suggest(request)

    def validate(self, experiment: api.Experiment) -> None:
        """Raise an error if `experiment` breaks a rule."""
        self._connection.validate(experiment)

    def wait(self, seconds: float = 60) -> float:
        """Wait until it serves; return the seconds since it was started."""
        stub = health_pb2_grpc.HealthStub(self._connection.channel)
        request = health_pb2.HealthCheckRequest(service=self.image.kind.health_name)
        try:
            reply = stub.Check(request, timeout=seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            raise RuntimeError(f"{self.image.name}: {error}\n{self.log()}") from error
        assert reply.status == health_pb2.HealthCheckResponse.SERVING, self.log()
        return time.monotonic() - self.started

    @property
    def state(self) -> dict[str, Any]:
        """The state that ``docker inspect`` shows."""
        state: dict[str, Any] = json.loads(
            docker("inspect", "--format", "{{json .State}}", self.id)
        )
        return state

    def log(self) -> str:
        """What it has written so far."""
        done = subprocess.run(
            ["docker", "logs", self.id],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    def peak_memory(self) -> float:
        """The most that it has used, in MiB, the page cache included; read before it stops."""
        for file in ("memory.peak", "memory/memory.max_usage_in_bytes"):
            text = docker("exec", self.id, "cat", f"/sys/fs/cgroup/{file}", check=False)
            if text:
                return int(text) / 2**20
        raise RuntimeError("the control group has no peak of memory")

    def cpu_seconds(self) -> float:
        """Processor time of the server since its start."""
        fields = docker("exec", self.id, "cat", "/proc/1/stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Resident memory of the server at most, in MiB."""
        status = docker("exec", self.id, "cat", "/proc/1/status")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def kill(self) -> None:
        """Kill it, as a node that goes away does."""
        docker("kill", self.id)
        docker("wait", self.id)

    def start(self) -> None:
        """Start it again after `kill`; on another port."""
        self.started = time.monotonic()
        docker("start", self.id)
        self._connection.close()
        self._connect()

    def remove(self) -> None:
        """Remove it, whatever its state."""
        if hasattr(self, "_connection"):
            self._connection.close()
        docker("rm", "--force", "--volumes", self.id)

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
