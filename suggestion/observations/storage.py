"""The observation log in a SQL database.

One row a point. Times are text in the form of `suggestion.problem.rfc3339.canonical`, whose order
is time order on every database; ids ascend in order of arrival.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Final, TypeAlias, cast

import sqlalchemy as sa

from suggestion.observations import schema
from suggestion.observations.engine import Database
from suggestion.observations.schema import POINTS, REPORTS, STATUSES
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Missing, quote

#: Rows fetched at a time.
_CHUNK: Final = 4_000
#: Transactions at a time on a database that allows several.
_WRITERS: Final = 8

#: Time, metric, value. The time is canonical, or empty in a report that leaves it out; the value
#: is the text that was reported.
Point: TypeAlias = tuple[str, str, str]


class Storage:
    """The observation logs of any number of trials, for any number of threads and processes.

    Creates the tables, or brings those of an older version up to date.

    Args:
        url: See `suggestion.observations.engine.Database`.

    Raises:
        Invalid: If `url` is of no supported database.
        Unready: If packages for it are not installed, its file cannot be used, or it was written
            by a later version.
        Unreachable: If it does not answer. The methods below raise the last two as well.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        try:
            schema.upgrade(self._database)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """URL of the database without the password."""
        return self._database.name

    @property
    def writers(self) -> int:
        """How many threads may write at a time with profit."""
        return 1 if self._database.kind == "sqlite" else _WRITERS

    def close(self) -> None:
        self._database.close()

    def report(
        self,
        trial: str,
        points: Sequence[Point],
        *,
        received: str = "",
        deadline: Deadline = NEVER,
    ) -> bool:
        """Append `points` to the log of `trial`: all of them, or on an error none.

        Args:
            trial: Its name.
            points: In the order in which they were reported.
            received: Canonical time for points whose time is empty.
            deadline: When to give up waiting for the writes of others.

        Returns:
            Whether they were added. They are not if the same points, in the same order, were
            reported together before: a client that saw no answer sends its request again.
        """
        if not points:
            return False
        rows = [
            {"trial": trial, "metric": metric, "time": time or received, "value": value}
            for time, metric, value in points
        ]
        report = {"trial": trial, "digest": _digest(points)}

        def add(connection: sa.Connection) -> None:
            connection.execute(sa.insert(REPORTS), report)  # refused if it is there
            connection.execute(sa.insert(POINTS), rows)

        try:
            self._write(trial, add, deadline)
        except sa.exc.IntegrityError:
            return False
        return True

    def read(
        self, trial: str, metric: str = "", start: str = "", end: str = ""
    ) -> Generator[Sequence[Point]]:
        """Return the log of `trial` in chunks, by time and then by arrival.

        Args:
            trial: Its name; an unknown one has an empty log.
            metric: Only this one, unless empty.
            start, end: Canonical times; only points from `start` to `end`, both included. Empty:
                without limit.
        """
        columns = POINTS.c
        query = (
            sa.select(columns.time, columns.metric, columns.value)
            .where(columns.trial == trial)
            .order_by(columns.time, columns.id)
        )
        if metric:
            query = query.where(columns.metric == metric)
        if start:
            query = query.where(columns.time >= start)
        if end:
            query = query.where(columns.time <= end)
        # SQLite streams by itself, and faster.
        stream = self._database.kind != "sqlite"
        options = {"stream_results": stream, "max_row_buffer": _CHUNK}
        with (
            self._database.reading() as connection,
            closing(connection.execute(query, execution_options=options)) as rows,
        ):
            yield from rows.partitions(_CHUNK)

    def delete(self, trial: str, *, deadline: Deadline = NEVER) -> None:
        """Forget all that is known of `trial`, if anything is."""

        def forget(connection: sa.Connection) -> None:
            # In the order in which a report fills them, so that MySQL's row locks make one wait.
            for table in (REPORTS, POINTS, STATUSES):
                connection.execute(sa.delete(table).where(table.c.trial == trial))

        self._write(trial, forget, deadline)

    def set_status(self, trial: str, status: str, *, deadline: Deadline = NEVER) -> None:
        """Keep `status` of `trial`; the first one stays if it is set again.

        Raises:
            Missing: `trial` has not reported anything.
        """
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        known = sa.select(sa.literal(1)).where(REPORTS.c.trial == trial).limit(1)

        def keep(connection: sa.Connection) -> None:
            if connection.execute(known).first() is None:
                raise Missing(f"trial {quote(trial)} is not known: it has reported nothing")
            row = {"trial": trial, "status": status, "time": at}
            connection.execute(sa.insert(STATUSES), row)

        with suppress(sa.exc.IntegrityError):  # it is set already
            self._write(trial, keep, deadline)

    def status(self, trial: str) -> str | None:
        """Return the status that was set, if any."""
        query = sa.select(STATUSES.c.status).where(STATUSES.c.trial == trial)
        with self._database.reading() as connection:
            return cast(str | None, connection.execute(query).scalar())

    def _write(self, trial: str, work: Callable[[sa.Connection], None], deadline: Deadline) -> None:
        """Do `work` in a transaction that no other one about `trial` overlaps.

        Each statement of PostgreSQL sees what has been committed before it: of a report that ended
        between those of a deletion, the points would stay, and what recognises its repetition
        would go. SQLite has one writer, and MySQL locks the gap in which a trial's rows would be.
        """

        def alone(connection: sa.Connection) -> None:
            if self._database.kind == "postgresql":
                # A collision of keys makes two trials wait for each other, and nothing else.
                digest = hashlib.blake2b(trial.encode(), digest_size=8).digest()
                key = int.from_bytes(digest, "big", signed=True)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
            work(connection)

        self._database.write(alone, deadline)


def _digest(points: Sequence[Point]) -> str:
    """The same for the same points in the same order, and only for them."""
    digest = hashlib.sha256()
    for point in points:
        for text in point:
            encoded = text.encode()
            digest.update(b"%d:" % len(encoded))
            digest.update(encoded)
    return digest.hexdigest()
