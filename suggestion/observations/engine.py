"""Connections to the databases that are supported, and what their errors mean."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from suggestion.observations import troubles
from suggestion.problem.deadline import LOOK_SECONDS, NEVER, Deadline
from suggestion.problem.errors import Invalid, Unreachable, Unready, Violation, quote

T = TypeVar("T")

_SECONDS_TO_CONNECT: Final = 10
#: How long a write waits for those of others, from when it was asked for.
SECONDS_TO_LOCK: Final = 30
#: How long a statement of other databases waits for a lock, before it is looked whether the caller
#: has gone; whole seconds, as MySQL counts.
_SECONDS_AT_A_TIME: Final = 1
#: How long a read of SQLite waits. In WAL mode it does so only while a log is recovered.
_SECONDS_TO_READ: Final = 2
#: Before SQLite is asked again for a lock that it refused at once.
_PAUSE: Final = 0.01
#: Option of a connection that writes to SQLite: how long it waits for the lock.
_UNTIL: Final = "suggestion_until"

#: Driver of each kind of database, the extra that installs it, and its arguments.
_MYSQL_ARGUMENTS: Final = {
    "connect_timeout": _SECONDS_TO_CONNECT,
    "charset": "utf8mb4",
    # The second is about locks of whole tables, for which it would wait a day or a year.
    "init_command": f"SET SESSION innodb_lock_wait_timeout = {_SECONDS_AT_A_TIME}, "
    f"lock_wait_timeout = {_SECONDS_AT_A_TIME}",
}
_DRIVERS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "sqlite": ("sqlite", "dbmanager", {"timeout": _SECONDS_TO_READ}),
    "postgresql": (
        "postgresql+psycopg",
        "postgresql",
        {
            "connect_timeout": _SECONDS_TO_CONNECT,
            "application_name": "suggestion-servers",
            # Else it is that of the database, which may not hold every letter.
            "client_encoding": "utf8",
        },
    ),
    "mysql": ("mysql+pymysql", "mysql", _MYSQL_ARGUMENTS),
    "mariadb": ("mariadb+pymysql", "mysql", _MYSQL_ARGUMENTS),
}


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
            target = parsed.set(drivername=driver)
            if self.kind == "sqlite":
                # It lets one write at a time. Writers share a connection and wait here, which is
                # fair and costs nothing, instead of polling its lock; readers have others.
                self._reader = sa.create_engine(target, connect_args=arguments, max_overflow=-1)
                self._writer = sa.create_engine(target, connect_args=arguments, pool_size=1)
                sa.event.listen(self._writer, "connect", _prepare)
                sa.event.listen(self._writer, "begin", _begin)
            else:
                self._reader = sa.create_engine(target, connect_args=arguments, pool_pre_ping=True)
                self._writer = self._reader
        except ModuleNotFoundError as error:
            raise Unready(
                f"database '{self.name}' needs the package {quote(error.name)}: "
                f"pip install 'suggestion-servers[{extra}]'"
            ) from error
        self._turn = threading.Lock()
        # Also at the end of the process: SQLite takes its write-ahead log into the file then.
        weakref.finalize(self, _dispose, self._reader, self._writer)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Lend a connection for one statement that reads.

        Raises:
            Unreachable: The database does not answer.
            Unready: The database cannot be used until somebody has changed something.
        """
        with self._translated(), self._reader.connect() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T], deadline: Deadline = NEVER) -> T:
        """Return what `work` does in a transaction, as `writing` does.

        Args:
            work: Repeated in a new transaction where locks of others have ended the last one.
            deadline: When to give up waiting for the writes of others.
        """
        until = deadline.before(time.monotonic() + SECONDS_TO_LOCK)
        while True:
            try:
                with self.writing(until) as connection:
                    return work(connection)
            except troubles.Locked:
                if until.remaining() <= 0:
                    raise
                until.check()

    @contextmanager
    def writing(self, deadline: Deadline = NEVER) -> Iterator[sa.Connection]:
        """Run a transaction, committed at the end; raises as `reading` does.

        Args:
            deadline: When to give up waiting for the writes of others.

        Raises:
            Cancelled: If the caller has gone.
            Locked: If a statement has waited for a lock for a second, or for ever; not of SQLite.
        """
        until = deadline.before(time.monotonic() + SECONDS_TO_LOCK)
        begin = self._writing_sqlite if self.kind == "sqlite" else self._writing_elsewhere
        with self._translated(), begin(until) as connection:
            yield connection

    @contextmanager
    def _writing_sqlite(self, until: Deadline) -> Iterator[sa.Connection]:
        if not until.acquire(self._turn):
            raise Unreachable(f"database '{self.name}': other writes take too long; try again")
        try:
            with self._connected(until) as connection:
                connection.execution_options(**{_UNTIL: until})
                with connection.begin():
                    yield connection
        finally:
            self._turn.release()

    def _connected(self, until: Deadline) -> sa.Connection:
        """Connect to SQLite, whose file several may be making at once.

        Some of these are told that it is locked, without the wait that they have asked for.
        """
        while True:
            try:
                return self._writer.connect()
            except sa.exc.OperationalError as error:
                if troubles.of("sqlite", error) is not Unreachable or until.remaining() <= 0:
                    raise
            until.check()
            time.sleep(_PAUSE)

    @contextmanager
    def _writing_elsewhere(self, until: Deadline) -> Iterator[sa.Connection]:
        with self._writer.begin() as connection:
            if self.kind == "postgresql":  # a pooler may refuse it as a parameter of connections
                seconds = min(until.remaining(), _SECONDS_AT_A_TIME)
                wait = f"{_milliseconds(seconds)}ms"
                connection.execute(sa.select(sa.func.set_config("lock_timeout", wait, True)))
            yield connection

    def close(self) -> None:
        _dispose(self._reader, self._writer)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            kind = troubles.of(self.kind, error)
            if kind is None:
                raise
            text = f"database '{self.name}': {' '.join(str(error.orig).split())}"
            raise kind(text) from error
        except sa.exc.TimeoutError as error:
            raise Unreachable(f"database '{self.name}': no connection is free") from error


def _milliseconds(seconds: float) -> int:
    return max(int(1000 * seconds), 1)


def _dispose(*engines: sa.Engine) -> None:
    for engine in engines:
        engine.dispose()


def _parse(url: str) -> sa.URL:
    def refused(rule: str) -> Invalid:
        return Invalid([Violation(("database",), f"database: {rule}")])

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
    """Set up a new connection that writes to SQLite.

    With a write-ahead log readers do not wait for writers, and a process that is killed at any
    moment leaves every commit whole or undone. Commits are flushed to the disk, so they outlive
    the machine's end too.
    """
    connection.isolation_level = None  # BEGIN is ours, see `_begin`
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    """Take SQLite's lock at once: a writer that had read before could not wait for it."""
    until: Deadline = connection.get_execution_options()[_UNTIL]
    while True:
        # SQLite cannot be told that the caller has gone, so it waits for a short time only.
        milliseconds = _milliseconds(min(until.remaining(), LOOK_SECONDS))
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sa.exc.OperationalError as error:
            if troubles.of("sqlite", error) is not Unreachable or until.remaining() <= 0:
                raise
            until.check()
        else:
            return
