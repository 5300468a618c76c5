"""Fixtures: every image of the table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from suggestion.deployment.images import IMAGES, Image


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
