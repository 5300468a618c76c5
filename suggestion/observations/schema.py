"""The tables, and how those of older versions are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from suggestion.observations.engine import Database
from suggestion.problem.errors import Unready
from suggestion.problem.parameters import LONGEST_NAME
from suggestion.problem.rfc3339 import LONGEST as LONGEST_TIME

#: Characters of a metric's value.
LONGEST_VALUE: Final = 4096


class _Bytes(sa.types.TypeDecorator[str]):
    """A name on MySQL, which would compare text without regard to case or spaces at its end."""

    impl = mysql.VARBINARY
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else value.encode()

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.decode()


_MYSQL: Final = ("mysql", "mariadb")
#: Equal to another only if every character is.
_NAME: Final = sa.String(LONGEST_NAME).with_variant(_Bytes(4 * LONGEST_NAME), *_MYSQL)
#: Ordered byte by byte, whatever the collation of the database.
_TIME: Final = (
    sa.String(LONGEST_TIME)
    .with_variant(sa.String(LONGEST_TIME, collation="C"), "postgresql")
    .with_variant(mysql.VARCHAR(LONGEST_TIME, charset="ascii", collation="ascii_bin"), *_MYSQL)
)
_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # an alias of SQLite's row id
_OPTIONS: Final[dict[str, Any]] = {
    f"{dialect}_{option}": value
    for dialect in _MYSQL
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"))
}
_METADATA: Final = sa.MetaData()

VERSIONS: Final = sa.Table(
    "schema_version",
    _METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    **_OPTIONS,
)
POINTS: Final = sa.Table(
    "observation_points",
    _METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("trial", _NAME, nullable=False),
    sa.Column("metric", _NAME, nullable=False),
    sa.Column("time", _TIME, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("observation_points_in_order", "trial", "metric", "time", "id"),
    **_OPTIONS,
)
#: Every request that was answered, so that its repetition is recognised.
REPORTS: Final = sa.Table(
    "observation_reports",
    _METADATA,
    sa.Column("trial", _NAME, primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    **_OPTIONS,
)
STATUSES: Final = sa.Table(
    "trial_statuses",
    _METADATA,
    sa.Column("trial", _NAME, primary_key=True),
    sa.Column("status", sa.String(32), nullable=False),
    sa.Column("time", _TIME, nullable=False),
    **_OPTIONS,
)

TABLES: Final = tuple(_METADATA.tables)

#: Of the tables above.
VERSION: Final = 2


def _keep_statuses(connection: sa.Connection) -> None:
    STATUSES.create(connection, checkfirst=True)


#: What leads from each older version to the next.
_STEPS: Final[Mapping[int, Callable[[sa.Connection], None]]] = {1: _keep_statuses}


def upgrade(database: Database) -> None:
    """Creates the tables in an empty database, or changes older ones; keeps what they hold.

    Several servers may start at once: one does it, the others wait.

    Raises:
        Unready: If the tables are of a later version than this program knows.
    """

    def change(connection: sa.Connection) -> None:
        if database.kind == "postgresql":  # until the end of the transaction
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(0x5355_4747)))
        VERSIONS.create(connection, checkfirst=True)
        version = connection.execute(sa.select(sa.func.max(VERSIONS.c.version))).scalar()
        if version is None:  # an empty database, or MySQL's after this was killed half-way
            _METADATA.create_all(connection, checkfirst=True)
            connection.execute(sa.insert(VERSIONS), {"version": VERSION})
            return
        if version > VERSION:
            raise Unready(
                f"database '{database.name}' has tables of version {version}, this program "
                f"knows versions up to {VERSION}; use a later one"
            )
        for older in range(version, VERSION):
            _STEPS[older](connection)
            connection.execute(sa.update(VERSIONS).values(version=older + 1))

    with _alone(database):
        database.write(change)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Keeps other servers out of MySQL, where tables change outside of transactions.

    The lock is another connection's, so that it is held until the transaction is committed.
    """
    if database.kind not in _MYSQL:
        yield
        return
    lock = "suggestion-servers"
    with database.reading() as connection:
        if connection.execute(sa.select(sa.func.get_lock(lock, 60))).scalar() != 1:
            raise Unready(
                f"database '{database.name}': the tables are changed by another server; try again"
            )
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.release_lock(lock)))
