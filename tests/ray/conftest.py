"""A cluster of Ray on this machine for all tests here, and servers for the experiments."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.support import Machine, machines
from tests.experiments.test_resume import LIMIT, Runner

_ATTEMPTS = 10


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machines(tmp_path_factory.mktemp("servers")) as made:
        yield made


def _agents() -> dict[str, int]:
    """Ports of a node's agents; a raylet ends itself if they find free ones too slowly."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
    with ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in (*names, "runtime_env_agent_port")]
        for one in free:
            one.bind(("127.0.0.1", 0))
        ports = (one.getsockname()[1] for one in free)
        return dict(zip((*names, "runtime_env_agent_port"), ports, strict=True))


def _children() -> set[int]:
    files = Path("/proc/self/task").glob("*/children")
    return {int(word) for file in files for word in file.read_text().split()}


def _node(cluster: Any, **arguments: Any) -> Any:
    """Start a node, again and again: Ray takes one for failed whose agent needs more than 15 s."""
    arguments["object_store_memory"] = 80_000_000
    before = _children()
    for left in reversed(range(_ATTEMPTS)):
        try:
            return cluster.add_node(wait=False, **arguments, **_agents())
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            for pid in _children() - before:  # which would keep the processors from the next one
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    raise AssertionError


@contextmanager
def cluster_of(workers: int = 0, cpus: int = 4, port: int = 0, head_cpus: int = 0) -> Iterator[Any]:
    """A cluster of a head, by default without processors, and workers: the attribute `workers`."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    made = Cluster()
    settings = {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 3,
        # A raylet ends itself if its agent or a worker is later.
        "agent_register_timeout_ms": 1000 * LIMIT,
        "worker_register_timeout_seconds": LIMIT,
        "worker_niceness": 0,  # by default everything else on the machine comes first
        "prestart_worker_first_driver": False,  # one for each processor, which no actor here takes
    }
    made.workers = []
    try:
        _node(
            made,
            num_cpus=head_cpus,
            include_dashboard=False,
            gcs_server_port=port,
            _system_config=settings,
        )
        grow(made, workers, cpus)
        yield made
    finally:
        made.shutdown()


def grow(cluster: Any, workers: int, cpus: int = 4) -> None:
    """Start workers until there are so many; the first has GPUs, as far as Ray can tell."""
    while len(cluster.workers) < workers:
        gpus = 0 if any(worker.gpus for worker in cluster.workers) else 2
        worker = _node(cluster, num_cpus=cpus, num_gpus=gpus)
        worker.gpus = gpus
        cluster.workers.append(worker)
    cluster.wait_for_nodes(LIMIT)


@pytest.fixture(scope="session")
def nodes() -> Iterator[Any]:
    """A head without processors."""
    with cluster_of() as made:
        yield made


@pytest.fixture
def cluster(nodes: Any) -> Iterator[Any]:
    """A head without processors, and two workers with four each, whatever a test has ended."""
    grow(nodes, 2)
    yield nodes
    Runner.end_all()
