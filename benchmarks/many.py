"""1,000 experiments at once on one server in 256 MiB: ``python -m benchmarks.many --seconds 120``.

Each experiment has 100 trials of 4 parameters and asks `tpe` for one suggestion, again and again,
100 calls a second in all; without ``--seconds``, for an hour. The server is limited to 256 MiB by a
memory control group (of version 1 or 2, as root), or, where there is none, only watched. Printed
every tenth of the time: calls a second, how long they took, and the memory of the server.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import psutil

from benchmarks import yardstick
from benchmarks.processes import request_of
from suggestion.api.v1beta1.channels import open_channel
from suggestion.client.launch import LocalServer

_MIB = 2**20
_METHOD = "/api.v1.beta1.Suggestion/GetSuggestions"
_GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


@contextlib.contextmanager
def limited(pid: int, limit: int) -> Iterator[bool]:
    """Limit the memory of a process while the block runs; tells whether that was possible."""
    for root, name in _GROUPS:
        group = root / f"suggest-benchmark-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
            (group / "cgroup.procs").write_text(str(pid))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                (root / "cgroup.procs").write_text(str(pid))
                group.rmdir()
        return
    yield False


class _Load:
    """Calls of many experiments at a steady rate.

    Args:
        address: Of the server.
        requests: One of each experiment, as bytes.
        rate: Calls a second.
        clients: Most calls at a time.
    """

    def __init__(self, address: str, requests: list[bytes], rate: float, clients: int) -> None:
        self._address = address
        self._requests = requests
        self._rate = rate
        self._due: queue.SimpleQueue[tuple[float, bytes] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._waited: list[float] = []
        self._threads = [threading.Thread(target=self._call) for _ in range(clients)]

    def _call(self) -> None:
        with open_channel(self._address) as channel:
            method = channel.unary_unary(_METHOD, None, None)
            while (due := self._due.get()) is not None:
                at, request = due
                method(request, wait_for_ready=True)
                with self._guard:
                    self._waited.append(time.monotonic() - at)

    def run(self, seconds: float) -> Iterator[tuple[float, list[float]]]:
        """Yield ten times: calls a second, and how long each took from when it was due."""
        for thread in self._threads:
            thread.start()
        began = time.monotonic()
        calls = 0
        for part in range(1, 11):
            until = began + seconds * part / 10
            while (now := time.monotonic()) < until:
                while calls < (now - began) * self._rate:
                    request = self._requests[calls % len(self._requests)]
                    self._due.put((began + calls / self._rate, request))
                    calls += 1
                time.sleep(0.005)
            with self._guard:
                waited, self._waited = self._waited, []
            yield len(waited) / (seconds / 10), waited
        for _ in self._threads:
            self._due.put(None)
        for thread in self._threads:
            thread.join()


@click.command()
@click.option("--seconds", default=3600.0, show_default=True)
@click.option("--experiments", default=1000, show_default=True)
@click.option("--rate", default=100.0, show_default=True, help="Calls a second.")
@click.option("--clients", default=32, show_default=True, help="Most calls at a time.")
@click.option("--processes", default=1, show_default=True)
@click.option("--memory-mib", default=256, show_default=True)
def main(
    seconds: float, experiments: int, rate: float, clients: int, processes: int, memory_mib: int
) -> None:
    """Print a table of ten lines."""
    click.echo(yardstick.line())
    requests = []
    for number in range(experiments):
        request = request_of("tpe", name=f"experiment-{number}")
        requests.append(request.SerializeToString())
    with (
        LocalServer(("tpe", "--processes", str(processes))) as server,
        limited(server.process.pid, memory_mib * _MIB) as is_limited,
    ):
        click.echo(f"{experiments} experiments; memory {'' if is_limited else 'not '}limited")
        click.echo("| minute | calls/s | median ms | 95% ms | MiB |")
        click.echo("|---|---|---|---|---|")
        root = psutil.Process(server.process.pid)
        load = _Load(server.address(), requests, rate, clients)
        for part, (per_second, waited) in enumerate(load.run(seconds), 1):
            memory = sum(p.memory_info().rss for p in (root, *root.children(recursive=True)))
            middle, late = np.percentile(waited or [np.nan], (50, 95)) * 1000
            click.echo(
                f"| {seconds * part / 600:.1f} | {per_second:.1f} | {middle:.0f} | {late:.0f} | "
                f"{memory / _MIB:.0f} |"
            )


if __name__ == "__main__":
    main()
