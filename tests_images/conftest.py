"""Fixtures: every image of the table, and a cluster."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from suggestion.deployment.images import IMAGES, Image
from tests_images import kubernetes
from tests_images.kubernetes import PROGRAM, Cluster


@pytest.fixture
def measure(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Note a figure, which the summary shows whether the test passes or not."""

    def note(what: str, value: float) -> None:
        record_property(what, value)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured on the way, by whichever worker."""
    terminalreporter.section("measured")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for what, value in report.user_properties:
                terminalreporter.line(f"{report.nodeid}: {what} {value:.2f}")


@pytest.fixture(params=IMAGES, ids=lambda image: image.name)
def image(request: pytest.FixtureRequest) -> Image:
    chosen: Image = request.param
    return chosen


#: Names the folder in which the workers of one run agree on one cluster.
_SHARED = "TEST_CLUSTER_SHARED"


def _started() -> Path:
    """The file that names the kubeconfig of the cluster, once that runs."""
    return Path(os.environ[_SHARED], "kubeconfig")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker; make the folder that the workers share."""
    config.addinivalue_line("markers", "faults: breaks the cluster; runs alone")
    if not hasattr(config, "workerinput"):
        os.environ[_SHARED] = tempfile.mkdtemp()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the cluster that a worker has started, after the last test of all."""
    if not hasattr(config, "workerinput"):
        try:
            if _started().exists():
                subprocess.run([PROGRAM, "stop"], check=True)
        finally:
            shutil.rmtree(os.environ.pop(_SHARED))


@contextmanager
def _lock(name: str, kind: int) -> Iterator[None]:
    with Path(os.environ[_SHARED], name).open("w") as file:
        fcntl.flock(file, kind)
        yield


@pytest.fixture(scope="session")
def running_cluster() -> str:
    """The kubeconfig of a cluster of two nodes that has every image that tests need."""
    with _lock("start", fcntl.LOCK_EX):
        if not _started().exists():
            images = [kubernetes.built(name) for name in kubernetes.IMAGES]
            command = [PROGRAM, "start", "2"]
            try:
                said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                with ThreadPoolExecutor(2) as pool:
                    list(pool.map(kubernetes.load, images))
            except BaseException:
                subprocess.run([PROGRAM, "stop"], check=True)
                raise
            _started().write_text(said.stdout.strip().rpartition("KUBECONFIG=")[2])
    os.environ["IMAGES_ARE_BUILT"] = "1"  # by the worker that has started the cluster
    return _started().read_text()


@pytest.fixture
def kubeconfig(running_cluster: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The kubeconfig of the cluster, which a test with faults has to itself."""
    alone = request.node.get_closest_marker("faults") is not None
    with _lock("use", fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
        try:
            yield running_cluster
        finally:
            kubernetes.end_all()


@pytest.fixture
def cluster(kubeconfig: str) -> Cluster:
    """A new namespace."""
    return Cluster(kubeconfig)
