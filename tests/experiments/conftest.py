"""Servers for all tests of `experiments`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.experiments.support import Machine, machines


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A suggestion server for every algorithm and a DBManager, as processes of their own."""
    with machines(tmp_path_factory.mktemp("servers")) as made:
        yield made
