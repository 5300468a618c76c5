"""Fixtures: one server process a test module, serving every installed algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.servers import ServerProcess, serving
from tests.support.slow import SlowCalls

# The same examples in every run: a failure is the change's, not the day's. The longer search for
# new ones is `make fuzz`.
settings.register_profile("fixed", derandomize=True, max_examples=50, deadline=None)
settings.register_profile("search", max_examples=500, deadline=None)
settings.load_profile("fixed")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(SUGGEST_DATA_DIR=str(tmp_path_factory.mktemp("checkpoints"))) as process:
        yield process


@pytest.fixture
def slow_calls(tmp_path: Path) -> Iterator[SlowCalls]:
    """For servers that have its environment."""
    made = SlowCalls(tmp_path)
    yield made
    made.close()
