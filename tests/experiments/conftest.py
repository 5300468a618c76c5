"""Servers for all tests of `experiments`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from suggestion.client.launch import LocalServer
from tests.experiments.support import Machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A suggestion server for every algorithm and a DBManager, as processes of their own."""
    folder: Path = tmp_path_factory.mktemp("servers")
    suggestion = LocalServer((), folder / "suggestion.log")
    database = LocalServer(
        ("dbmanager", "--database", f"sqlite:///{folder / 'log.db'}"), folder / "database.log"
    )
    suggestion.launch()
    database.launch()
    try:
        yield Machine(suggestion.address(), database.address())
    finally:
        suggestion.stop()
        database.stop()
