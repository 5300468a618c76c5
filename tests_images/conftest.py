"""Fixtures: every image of the table whose algorithms are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from suggestion.deployment.images import Image
from tests_images.containers import Container
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


@pytest.fixture(params=AVAILABLE, ids=lambda image: image.name)
def image(request: pytest.FixtureRequest) -> Image:
    chosen: Image = request.param
    return chosen


@pytest.fixture
def container(image: Image) -> Iterator[Container]:
    with Container(image) as running:
        running.wait()
        yield running
