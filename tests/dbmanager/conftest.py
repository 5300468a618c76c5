"""Every kind of database: SQLite always, the others where their servers are installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from suggestion.observations.storage import Storage
from tests.support.databases import SERVERS, DatabaseServer


class Databases:
    """Starts each database server when it is first asked for."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self._running: dict[str, DatabaseServer] = {}

    def url(self, kind: str, folder: Path) -> str:
        """The storage of a new database."""
        if kind == "sqlite":
            return f"sqlite:///{folder / 'observations.db'}"
        if kind not in self._running:
            self._running[kind] = self.stack.enter_context(SERVERS[kind]())
        return self._running[kind].database()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    made = Databases()
    with made.stack:
        yield made


@pytest.fixture(
    params=["sqlite", *(pytest.param(name, marks=pytest.mark.integration) for name in SERVERS)]
)
def url(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> str:
    return databases.url(request.param, tmp_path)


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    made = Storage(url)
    yield made
    made.close()
