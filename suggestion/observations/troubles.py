"""What the errors of databases mean for a caller: try again, or somebody must change something."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from suggestion.problem.errors import Unreachable, Unready

Trouble: TypeAlias = type[Unready] | type[Unreachable]


class Locked(Unreachable):
    """PostgreSQL, MySQL or MariaDB has ended what waited for a lock of others.

    A statement that waited for too long, or a transaction that waited for one that waited for it.
    """


#: Results of SQLite that pass: another connection holds a lock, or recovers the log.
_PASSING_SQLITE: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT")
#: Of PostgreSQL: classes of states, or states, that last until somebody has done something though
#: its driver has them among those that concern the server's operation. 28 authorization, 3D
#: catalog, 3F schema, 42 syntax, missing tables and privileges, 54 limits of the program; a
#: read-only transaction; a full disk.
_LASTING_STATES: Final = ("28", "3D", "3F", "42", "54", "25006", "53100")
#: Of PostgreSQL: not serializable, a deadlock, no lock within the time.
_LOCKED_STATES: Final = ("40001", "40P01", "55P03")
#: Of MySQL and MariaDB: no lock within the time, a deadlock.
_LOCKED_NUMBERS: Final = frozenset((1205, 1213))
#: Of MySQL and MariaDB, besides those of the connection (2000 to 2999): too many connections or
#: no memory (1037, 1038, 1040, 1041, 1129, 1135, 1203, 1226), the connection (1042, 1043, 1047,
#: 1152 to 1161, 1184, 1927), the end of the server (1053, 1077 to 1081), statements that were ended
#: (1317, 1969, 3024, 4031). Everything else lasts: a privilege, a table, a full disk, a trigger.
_PASSING_NUMBERS: Final = frozenset(
    {1037, 1038, 1040, 1041, 1129, 1135, 1203, 1226}
    | {1042, 1043, 1047, 1184, 1927, *range(1152, 1162)}
    | {1053, *range(1077, 1082)}
    | {1317, 1969, 3024, 4031}
)
#: What is to be added is there already: results of SQLite, states of PostgreSQL, numbers of MySQL.
_REPEATED: Final = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE", "23505", 1062)


def of(kind: str, error: sa.exc.DBAPIError) -> Trouble | None:
    """Return what `error` of a database of `kind` becomes.

    What a database refuses by rules that are not ours (a trigger, a constraint, an encoding that
    lacks a letter) has its words, like what it cannot do.

    Args:
        kind: As `suggestion.observations.engine.Database.kind`.
        error: As SQLAlchemy wraps it; the driver's own is ``error.orig``.

    Returns:
        None if what is to be added is there already; of SQLite for a bug of ours too.
    """
    if isinstance(error, sa.exc.IntegrityError) and _code(kind, error) in _REPEATED:
        return None
    if isinstance(error, sa.exc.InterfaceError) or error.connection_invalidated:
        return Unreachable
    code = _code(kind, error)
    if kind == "sqlite":
        return _of_sqlite(code)
    if kind == "postgresql":
        # Without a state the server has not been reached.
        operational = isinstance(error, sa.exc.OperationalError)
        locked = code in _LOCKED_STATES
        passing = operational and not code.startswith(_LASTING_STATES)
    else:
        locked = code in _LOCKED_NUMBERS
        passing = not code or code in _PASSING_NUMBERS or 2000 <= code < 3000
    if locked:
        return Locked
    return Unreachable if passing else Unready


def _code(kind: str, error: sa.exc.DBAPIError) -> Any:
    """Return the text that SQLite and PostgreSQL name an error with, or the number of MySQL."""
    if kind == "sqlite":
        return getattr(error.orig, "sqlite_errorname", "")
    if kind == "postgresql":
        return getattr(error.orig, "sqlstate", None) or ""
    number = next(iter(getattr(error.orig, "args", ())), None)
    return number if isinstance(number, int) else 0


def _of_sqlite(name: str) -> Trouble | None:
    if name.startswith(_PASSING_SQLITE):
        return Unreachable
    # A file, a disk, a table or a permission. What Python itself raises has no name.
    return Unready if name else None
