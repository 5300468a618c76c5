"""Fixtures: every image of the table whose parts are installed, built if it is not there yet."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from deploy.images import IMAGES, Image
from tests_images.containers import ROOT, Container, docker, reference
from tests_images.served import AVAILABLE


MEASURED: list[tuple[str, str, float]] = []


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Notes a figure, which the summary shows whether the test passes or not."""

    def note(what: str, value: float) -> None:
        MEASURED.append((request.node.name, what, value))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured on the way."""
    if MEASURED:
        terminalreporter.section("measured")
    for test, what, value in MEASURED:
        terminalreporter.line(f"{test}: {what} {value:.2f}")


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """The images as the sources are now; layers that have not changed are not built again."""
    names = [image.name for image in IMAGES if image in AVAILABLE]
    subprocess.run([sys.executable, "-m", "scripts.images", "build", *names], cwd=ROOT, check=True)


@pytest.fixture(params=AVAILABLE, ids=lambda image: image.name)
def image(request: pytest.FixtureRequest, built: None) -> Image:
    chosen: Image = request.param
    docker("image", "inspect", reference(chosen))
    return chosen


@pytest.fixture
def container(image: Image) -> Iterator[Container]:
    with Container(image) as running:
        running.wait()
        yield running
