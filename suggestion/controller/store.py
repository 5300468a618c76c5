"""The state of an experiment: one SQLite file in its directory, one transaction a step.

Whatever is in memory can be rebuilt from it: a runner that is killed has lost nothing that it had
decided.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from suggestion.controller import disk, observation, rows, schema
from suggestion.controller.commands import Batch, Changes
from suggestion.controller.events import Event
from suggestion.controller.experiment import Experiment
from suggestion.controller.files import private_file
from suggestion.controller.moments import parse
from suggestion.controller.observation import Report
from suggestion.controller.reporter import NEVER
from suggestion.controller.requests import Action, Answer, Request, dump, load
from suggestion.controller.state import Attempt, State, Tally
from suggestion.controller.trials import Condition, Trial

FILE: Final = "state.db"
# What SQLite says where it cannot make or write the files beside the database.
_CANNOT_WRITE: Final = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_READONLY_CANTINIT,
        sqlite3.SQLITE_READONLY_CANTLOCK,
        sqlite3.SQLITE_READONLY_DIRECTORY,
        sqlite3.SQLITE_READONLY_RECOVERY,
        sqlite3.SQLITE_READONLY_ROLLBACK,
    }
)
# Attempts to copy a file while a runner writes it.
_COPIES: Final = 5


def not_validated(folder: Path) -> FileNotFoundError:
    """Return the error for a directory whose experiment no runner has accepted."""
    return FileNotFoundError(f"{folder}: the experiment has not been validated yet")


class Store:
    """The state file of one experiment.

    Args:
        folder: The experiment's directory.
        create: Create the file, or bring it up to date, for a runner that holds the `Lock`.

    Raises:
        FileNotFoundError: If there is no experiment.
        ValueError: If a later version of this program has made it.
        sqlite3.Error: From every method, if the disk is full or the file is damaged; the state is
            then that before the call.

    Attributes:
        expect_held: Called in each transaction, before anything is written; raises if another
            runner has been let in meanwhile.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.folder = folder
        self.expect_held: Callable[[], None] = lambda: None
        path = folder / FILE
        if not create and not path.exists():
            raise FileNotFoundError(f"{folder}: holds no experiment (no {FILE})")
        if create:
            private_file(path)
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._db = _connect(str(path))
        try:
            if not create and not _readable(self._db):
                self._db.close()
                self._db = self._as_it_is(path)
            self._open(create)
        except BaseException:
            self.close()
            raise

    def _as_it_is(self, path: Path) -> sqlite3.Connection:
        """Open a file in a folder that cannot be written, where SQLite cannot make its lock."""
        log = path.with_name(f"{path.name}-wal")
        if not log.exists() or not log.stat().st_size:
            return _connect(f"{path.absolute().as_uri()}?immutable=1")
        # A runner that was killed has left its latest transactions beside the file.
        self._copy = tempfile.TemporaryDirectory(prefix="suggest-state-")
        for _ in range(_COPIES):
            before = [_state(known) for known in (path, log)]
            for known in (path, log):
                shutil.copyfile(known, Path(self._copy.name, known.name))
            if before == [_state(known) for known in (path, log)]:
                break
        else:
            raise sqlite3.OperationalError(f"{path}: changes while it is copied; try again")
        return _connect(str(Path(self._copy.name, path.name)))

    def _open(self, create: bool) -> None:
        if create:
            # WAL and NORMAL: a transaction survives the death of the process at once, and that of
            # the machine from the next checkpoint on; the file is sound either way. WAL needs
            # memory that all its users share, which two machines do not have.
            journal = ("TRUNCATE", "FULL") if disk.shared(self.folder) else ("WAL", "NORMAL")
            self._db.execute(f"PRAGMA journal_mode = {journal[0]}")
            self._db.execute(f"PRAGMA synchronous = {journal[1]}")
            with self.transaction():
                schema.upgrade(self._db)
        version = schema.version(self._db)
        if version == 0:
            raise not_validated(self.folder)
        if version > schema.VERSION:
            raise ValueError(
                f"{self.folder}: made by a later version of this program: "
                f"the state's version must be at most {schema.VERSION}, got {version}"
            )
        schema.see(self._db)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
        if self._copy is not None:
            self._copy.cleanup()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within be of one moment; a runner at work is not held up."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all of the changes within or none. Nested ones are part of the outer."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self.expect_held()
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk ends it by itself
                self._db.execute("ROLLBACK")
            raise

    def writable(self) -> bool:
        """Try whether a transaction can be written now; the disk may be full."""
        try:
            with self.transaction():
                self._db.execute("CREATE TABLE IF NOT EXISTS probe (filler BLOB)")
                self._db.execute("INSERT INTO probe VALUES (zeroblob(65536))")
            with self.transaction():
                self._db.execute("DROP TABLE probe")
        except sqlite3.OperationalError:
            return False
        return True

    # ----------------------------------------------------------------- writing

    def commit(self, changes: Changes, events: Sequence[Event] = ()) -> None:
        """Write what a step has changed, and the events that it took, in one transaction."""
        with self.transaction():
            for number, batch in changes.forgotten:
                self._db.execute("DELETE FROM reports WHERE trial = ?", (number,))
                self._db.execute("DELETE FROM outbox WHERE trial = ?", (number,))
                self._db.execute("INSERT INTO outbox VALUES (?, ?)", (number, batch))
            if changes.trials:
                self._db.executemany(rows.SAVE_TRIAL, map(rows.of_trial, changes.trials))
            for reported in changes.batches:
                self._add(reported)
            if changes.delivered:
                self._db.executemany(
                    "DELETE FROM outbox WHERE trial = ? AND batch = ?", changes.delivered
                )
            if changes.answers:
                self._db.executemany(
                    "UPDATE requests SET done = ?, answer = ? WHERE number = ?",
                    ((answer.done, answer.text, answer.request) for answer in changes.answers),
                )
            if changes.experiment is not None:
                self._db.execute(rows.SAVE_EXPERIMENT, rows.of_experiment(changes.experiment))
            self._db.executemany(
                "INSERT INTO events (time, kind, trial, detail) VALUES (?, ?, ?, ?)",
                map(rows.of_event, events),
            )

    def _add(self, batch: Batch) -> None:
        self._db.executemany(
            "INSERT INTO reports VALUES (?, ?, ?, ?, ?)",
            (
                (batch.trial, batch.number, report.time, report.metric, report.value)
                for report in batch.reports
            ),
        )
        self._db.execute("INSERT INTO outbox VALUES (?, ?)", (batch.trial, batch.number))

    def save_experiment(self, experiment: Experiment) -> None:
        """Replace the experiment."""
        self.commit(Changes(experiment))

    def ask(self, action: Action, now: str) -> int:
        """Write a request of a user, for the runner; return its number.

        Raises:
            sqlite3.Error: If that cannot be, as in a file of the version before.
        """
        kind, fields = dump(action)
        with self.transaction():
            row = self._db.execute(
                "INSERT INTO requests (time, kind, content) VALUES (?, ?, ?)",
                (now, kind, json.dumps(fields)),
            )
        assert row.lastrowid is not None
        return row.lastrowid

    def withdraw(self, request: int) -> None:
        """Delete a request, unless it is answered. Only with the `Lock`: a runner may act on it."""
        with self.transaction():
            self._db.execute("DELETE FROM requests WHERE number = ? AND answer IS NULL", (request,))

    # ----------------------------------------------------------------- reading

    def load(self, objective: observation.Objective) -> tuple[State, list[Trial]]:
        """Read the state to go on from, and all trials.

        Raises:
            LookupError: If no experiment has been saved.
        """
        experiment = self.experiment()
        if experiment is None:
            raise LookupError(f"{self.folder}: no experiment has been saved")
        trials = self.trials()
        tally = Tally()
        for trial in trials:
            if not trial.condition.active:
                tally = tally.plus(trial, objective)
        active = {trial.number: trial for trial in trials if trial.condition.active}
        attempts = {
            number: self._attempt(number)
            for number, trial in active.items()
            if trial.condition is Condition.RUNNING
        }
        undelivered: dict[int, tuple[int, ...]] = {}
        for number, batch in self.undelivered():
            undelivered[number] = (*undelivered.get(number, ()), batch)
        state = State(experiment, active, tally, len(trials), attempts, undelivered)
        return state, trials

    def _attempt(self, trial: int) -> Attempt:
        row = self._db.execute(
            "SELECT count(*) AS kept, (SELECT time FROM reports WHERE trial = ?1 "
            "ORDER BY rowid DESC LIMIT 1) AS last FROM reports WHERE trial = ?1",
            (trial,),
        ).fetchone()
        last: datetime | None = parse(row["last"]) if row["last"] else None
        return Attempt(last=last or NEVER, kept=row["kept"])

    def experiment(self) -> Experiment | None:
        """Return the experiment; None before it has been saved."""
        row = self._db.execute("SELECT * FROM experiment").fetchone()
        if row is None:
            return None
        return rows.experiment(row)

    def trials(self) -> list[Trial]:
        """Return all trials, in the order of their suggestions."""
        found = self._db.execute("SELECT * FROM trials ORDER BY number")
        return [rows.trial(row) for row in found]

    def trial(self, number: int) -> Trial | None:
        """Return a trial by the number of its suggestion; None if it is not made yet."""
        row = self._db.execute("SELECT * FROM trials WHERE number = ?", (number,)).fetchone()
        return None if row is None else rows.trial(row)

    def change_mark(self) -> int:
        """Return a number that changes when another connection has written; cheap to ask for."""
        mark: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return mark

    def reports(self, trial: int, batch: int | None = None) -> list[Report]:
        """Return the reports of a trial, or of one of its batches, in order."""
        query = "SELECT time, metric, value FROM reports WHERE trial = ?"
        values: tuple[int, ...] = (trial,)
        if batch is not None:
            query, values = f"{query} AND batch = ?", (trial, batch)
        found = self._db.execute(f"{query} ORDER BY rowid", values)
        return [Report(row["metric"], row["value"], row["time"]) for row in found]

    def undelivered(self) -> list[tuple[int, int]]:
        """Return trial and batch of what the DBManager has not confirmed, in order."""
        found = self._db.execute("SELECT trial, batch FROM outbox ORDER BY trial, batch")
        return [(row["trial"], row["batch"]) for row in found]

    def requests(self) -> list[Request]:
        """Return the requests that wait for an answer, in order."""
        found = self._db.execute(
            "SELECT number, kind, content FROM requests WHERE answer IS NULL ORDER BY number"
        )
        return [
            Request(row["number"], load(row["kind"], json.loads(row["content"]))) for row in found
        ]

    def answer(self, request: int) -> Answer | None:
        """Return what has become of a request; None as long as nothing has."""
        row = self._db.execute(
            "SELECT done, answer FROM requests WHERE number = ? AND answer IS NOT NULL", (request,)
        ).fetchone()
        return None if row is None else Answer(request, bool(row["done"]), row["answer"])

    def latest_event(self) -> int:
        """Return the id of the last entry of the journal; 0 if there is none."""
        latest: int | None = self._db.execute("SELECT max(id) FROM events").fetchone()[0]
        return latest or 0

    def begun(self) -> str:
        """Return the time of the first entry of the journal; empty if there is none."""
        row = self._db.execute("SELECT time FROM events ORDER BY id LIMIT 1").fetchone()
        return "" if row is None else str(row["time"])

    def events(self, after: int = 0) -> list[tuple[int, str, str, int | None, Mapping[str, Any]]]:
        """Return the journal behind entry `after`: id, time, kind, trial and detail."""
        found = self._db.execute("SELECT * FROM events WHERE id > ? ORDER BY id", (after,))
        return [
            (row["id"], row["time"], row["kind"], row["trial"], json.loads(row["detail"]))
            for row in found
        ]


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, isolation_level=None, timeout=30, uri=name.startswith("file:"))
    db.row_factory = sqlite3.Row
    return db


def _state(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_mtime_ns, known.st_size


def _readable(db: sqlite3.Connection) -> bool:
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode not in _CANNOT_WRITE
    return True
