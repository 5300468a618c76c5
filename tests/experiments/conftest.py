"""Servers for all tests of `experiments`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from suggestion.client.servers import Local
from tests.experiments.support import Machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A suggestion server for every algorithm and a DBManager, as processes of their own."""
    folder: Path = tmp_path_factory.mktemp("servers")
    suggestion = Local((), folder / "suggestion.log")
    database = Local(
        ("dbmanager", "--database", f"sqlite:///{folder / 'log.db'}"), folder / "database.log"
    )
    suggestion.launch()
    database.launch()
    try:
        yield Machine(suggestion.address(), database.address())
    finally:
        suggestion.stop()
        database.stop()
