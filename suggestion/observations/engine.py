"""Connections to the databases that are supported, and what their errors mean."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import sqlalchemy as sa

from suggestion.problem.errors import Invalid, Unreachable, Unready, Violation, quote

_SECONDS_TO_CONNECT: Final = 10
#: How long a writer of SQLite waits for another process's.
_SECONDS_TO_LOCK: Final = 30

#: Driver of each kind of database, the extra that installs it, and its arguments.
_DRIVERS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "sqlite": ("sqlite", "dbmanager", {"timeout": _SECONDS_TO_LOCK}),
    "postgresql": (
        "postgresql+psycopg",
        "postgresql",
        {"connect_timeout": _SECONDS_TO_CONNECT, "application_name": "suggestion-servers"},
    ),
    "mysql": (
        "mysql+pymysql",
        "mysql",
        {"connect_timeout": _SECONDS_TO_CONNECT, "charset": "utf8mb4"},
    ),
    "mariadb": (
        "mariadb+pymysql",
        "mysql",
        {"connect_timeout": _SECONDS_TO_CONNECT, "charset": "utf8mb4"},
    ),
}
#: Errors of SQLite about its file or disk, which somebody must mend.
_FILE_TROUBLE: Final = tuple(
    f"SQLITE_{name}"
    for name in ("CANTOPEN", "CORRUPT", "FULL", "IOERR", "NOTADB", "PERM", "READONLY")
)
_WRITE: Final = "suggestion_write"


class Database:
    """A database that any number of threads use.

    Args:
        url: ``sqlite:///FILE``, or ``postgresql://``, ``mysql://`` or ``mariadb://`` with
            ``USER:PASSWORD@HOST:PORT/DATABASE``.

    Raises:
        Invalid: If `url` is none of these.
        Unready: If the packages for it are not installed.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.kind: Final = parsed.get_backend_name()
        #: Without the password.
        self.name: Final = parsed.render_as_string(hide_password=True)
        driver, extra, arguments = _DRIVERS[self.kind]
        try:
            self._engine = sa.create_engine(
                parsed.set(drivername=driver), connect_args=arguments, pool_pre_ping=True
            )
        except ModuleNotFoundError as error:
            raise Unready(
                f"database '{self.name}' needs the package {quote(error.name)}: "
                f"pip install 'suggestion-servers[{extra}]'"
            ) from error
        # Also at the end of the process: SQLite takes its write-ahead log into the file then.
        weakref.finalize(self, self._engine.dispose)
        # SQLite lets one write at a time; waiting here is fair and costs nothing, polling its
        # lock would be neither.
        self._turn: AbstractContextManager[Any] = nullcontext()
        if self.kind == "sqlite":
            self._turn = threading.Lock()
            sa.event.listen(self._engine, "connect", _prepare)
            sa.event.listen(self._engine, "begin", _begin)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """For one statement that reads.

        Raises:
            Unreachable: If the database does not answer.
            Unready: If the file cannot be used.
        """
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction, committed at the end; raises as `reading` does."""
        with self._translated(), self._turn, self._engine.connect() as connection:
            connection.execution_options(**{_WRITE: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DatabaseError as error:
            text = f"database '{self.name}': {' '.join(str(error.orig).split())}"
            cause = getattr(error.orig, "sqlite_errorname", "")
            if cause.startswith(_FILE_TROUBLE):
                raise Unready(text) from error
            if cause.startswith("SQLITE_BUSY") or isinstance(error, sa.exc.OperationalError):
                raise Unreachable(text) from error
            raise
        except sa.exc.InterfaceError as error:
            raise Unreachable(f"database '{self.name}': {error.orig}") from error
        except sa.exc.TimeoutError as error:
            raise Unreachable(f"database '{self.name}': no connection is free") from error


def _parse(url: str) -> sa.URL:
    def refused(rule: str) -> Invalid:
        return Invalid([Violation("database", f"database: {rule}")])

    try:
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ValueError):
        parsed, kind = None, ""
    if parsed is None or kind not in _DRIVERS:
        # Not the URL itself, which may hold a password.
        scheme = url.partition(":")[0]
        raise refused(
            "URL must begin with sqlite:///, postgresql://, mysql:// or mariadb://, got "
            f"{quote(scheme if ':' in url else url)}"
        )
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise refused("a SQLite URL must name a file, as in sqlite:///observations.db")
    if kind != "sqlite" and not parsed.database:
        raise refused(f"URL must name the database after the host, got {quote(parsed)}")
    return parsed


def _prepare(connection: Any, _: object) -> None:
    """A new connection to SQLite.

    With a write-ahead log readers do not wait for writers, and a process that is killed at any
    moment leaves every commit whole or undone. Commits are flushed to the disk, so they outlive
    the machine's end too.
    """
    connection.isolation_level = None  # BEGIN is ours, see _begin
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    """A writer takes SQLite's lock at once: had it read before, it could not wait for it.

    Readers run one statement each, which is a transaction of its own.
    """
    if connection.get_execution_options().get(_WRITE):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
