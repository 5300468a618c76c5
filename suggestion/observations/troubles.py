"""What the errors of databases mean for a caller: try again, or somebody must change something."""

from __future__ import annotations

from typing import Final, TypeAlias

import sqlalchemy as sa

from suggestion.problem.errors import Unreachable, Unready

Trouble: TypeAlias = type[Unready] | type[Unreachable]


class Locked(Unreachable):
    """PostgreSQL, MySQL or MariaDB has ended what waited for a lock of others.

    A statement that waited for too long, or a transaction that waited for one that waited for it.
    """


#: Results of SQLite that pass: another connection holds a lock, or recovers the log.
_PASSING_SQLITE: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT")
#: Of PostgreSQL: classes of states, or states, that last until somebody has done something.
#: 28 authorization, 3D catalog, 3F schema, 42 syntax, missing tables and privileges; a read-only
#: transaction; a full disk.
_LASTING_STATES: Final = ("28", "3D", "3F", "42", "25006", "53100")
#: Of PostgreSQL: not serializable, a deadlock, no lock within the time.
_LOCKED_STATES: Final = ("40001", "40P01", "55P03")
#: Of MySQL and MariaDB: no lock within the time, a deadlock.
_LOCKED_NUMBERS: Final = frozenset((1205, 1213))
#: Of MySQL and MariaDB: access denied (1044, 1045, 1142, 1143, 1227, 1370, 1698); no such database,
#: column or table (1049, 1054, 1146); a full disk or table (1021, 1114); read-only (1290, 1792,
#: 1836).
_LASTING_NUMBERS: Final = frozenset(
    (1021, 1044, 1045, 1049, 1054, 1114, 1142, 1143, 1146, 1227, 1290, 1370, 1698, 1792, 1836)
)


def of(kind: str, error: sa.exc.DBAPIError) -> Trouble | None:
    """Return what `error` of a database of `kind` becomes; None for a bug or a broken constraint.

    Args:
        kind: As `suggestion.observations.engine.Database.kind`.
        error: As SQLAlchemy wraps it; the driver's own is ``error.orig``.
    """
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return None
    if isinstance(error, sa.exc.InterfaceError) or error.connection_invalidated:
        return Unreachable
    if kind == "sqlite":
        return _of_sqlite(error)
    if kind == "postgresql":
        # Without a state the server has not been reached.
        state = getattr(error.orig, "sqlstate", None) or ""
        locked, lasting = state in _LOCKED_STATES, state.startswith(_LASTING_STATES)
    else:
        number = next(iter(getattr(error.orig, "args", ())), None)
        locked, lasting = number in _LOCKED_NUMBERS, number in _LASTING_NUMBERS
    if locked:
        return Locked
    if lasting:
        return Unready
    return Unreachable if isinstance(error, sa.exc.OperationalError) else None


def _of_sqlite(error: sa.exc.DBAPIError) -> Trouble | None:
    name = getattr(error.orig, "sqlite_errorname", "")
    if name.startswith(_PASSING_SQLITE):
        return Unreachable
    # A file, a disk, a table or a permission. What Python itself raises has no name.
    return Unready if name else None
