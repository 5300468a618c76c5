"""Fixtures: every image of the table, and a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

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


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[str]:
    """The kubeconfig of a cluster of two nodes that has every image that tests need."""
    images = [kubernetes.image(name) for name in kubernetes.IMAGES]
    said = subprocess.run([PROGRAM, "start", "2"], capture_output=True, text=True, check=True)
    try:
        subprocess.run([PROGRAM, "load", *images], check=True, stdout=subprocess.DEVNULL)
        yield said.stdout.strip().rpartition("KUBECONFIG=")[2]
    finally:
        subprocess.run([PROGRAM, "stop"], check=True)


@pytest.fixture
def cluster(kubeconfig: str) -> Cluster:
    """A new namespace."""
    return Cluster(kubeconfig)
