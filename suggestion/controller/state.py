"""The state of an experiment: one SQLite file in its directory, one transaction a transition.

Whatever is in memory can be rebuilt from it: a runner that is killed has lost nothing that it had
decided. One runner at a time holds the directory.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from suggestion.collectors.collect import Report
from suggestion.controller import observation
from suggestion.controller.observation import Series
from suggestion.runtimes.process import Identity

FILE: Final = "state.db"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE experiment (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    document TEXT NOT NULL,     -- the Experiment, JSON
    options TEXT NOT NULL,      -- of the command line, as far as they shape trials, JSON
    overlay TEXT NOT NULL,      -- settings that replies laid over the algorithm's own, JSON
    validated INTEGER NOT NULL,
    exhausted INTEGER NOT NULL, -- the server has no more suggestions
    conditions TEXT NOT NULL,   -- as in the CRD's status, JSON
    started TEXT NOT NULL,
    completed TEXT NOT NULL
);
CREATE TABLE trials (
    number INTEGER PRIMARY KEY, -- of the suggestion, from 0
    name TEXT NOT NULL UNIQUE,
    assignment TEXT NOT NULL,   -- JSON, in the order of the reply
    labels TEXT NOT NULL,
    rules TEXT NOT NULL,        -- of early stopping, JSON
    condition TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempt INTEGER NOT NULL,   -- from 1; a new one begins from nothing
    failures INTEGER NOT NULL,  -- attempts that failed
    stopping TEXT NOT NULL,     -- why its process is being ended
    pid INTEGER, ticks INTEGER, boot TEXT, -- of its process
    slot INTEGER,
    position TEXT NOT NULL,     -- where its collector goes on reading, JSON
    watch TEXT NOT NULL,        -- what its rules have seen, JSON
    series TEXT NOT NULL,       -- min, max, latest, count by metric, JSON
    cut TEXT NOT NULL,          -- bytes given back of its output, JSON [begin, end]
    created TEXT NOT NULL,
    started TEXT NOT NULL,
    completed TEXT NOT NULL
);
CREATE TABLE reports (
    trial INTEGER NOT NULL REFERENCES trials (number),
    batch INTEGER NOT NULL,     -- what is sent to the DBManager in one request
    time TEXT NOT NULL,
    metric TEXT NOT NULL,
    value TEXT NOT NULL
);
CREATE INDEX reports_by_trial ON reports (trial, batch);
CREATE TABLE outbox (           -- batches that the DBManager has not confirmed
    trial INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (trial, batch)
) WITHOUT ROWID;
"""


class Condition(StrEnum):
    """Of a trial, named as in the CRD."""

    CREATED = "Created"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    KILLED = "Killed"
    FAILED = "Failed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    EARLY_STOPPED = "EarlyStopped"

    @property
    def active(self) -> bool:
        """Whether it is still to end."""
        return self in (Condition.CREATED, Condition.RUNNING)


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial as it stands in the state file; a change is a new one that has been written there.

    Attributes: see the columns of the table.
    """

    number: int
    name: str
    assignment: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Sequence[Any]] = ()
    condition: Condition = Condition.CREATED
    reason: str = ""
    attempt: int = 1
    failures: int = 0
    stopping: str = ""
    identity: Identity | None = None
    slot: int | None = None
    position: Any = None
    watch: Mapping[str, Any] | None = None
    series: Mapping[str, Series] = field(default_factory=dict)
    cut: tuple[int, int] | None = None
    created: str = ""
    started: str = ""
    completed: str = ""

    def row(self) -> tuple[Any, ...]:
        """For the table."""
        who = self.identity
        return (
            self.number,
            self.name,
            json.dumps(self.assignment),
            json.dumps(self.labels),
            json.dumps(self.rules),
            str(self.condition),
            self.reason,
            self.attempt,
            self.failures,
            self.stopping,
            who.pid if who else None,
            who.started if who else None,
            who.boot if who else None,
            self.slot,
            json.dumps(self.position),
            json.dumps(self.watch),
            json.dumps(observation.dump(self.series)),
            json.dumps(self.cut),
            self.created,
            self.started,
            self.completed,
        )

    @classmethod
    def of(cls, row: sqlite3.Row) -> Trial:
        """From the table."""
        cut = json.loads(row["cut"])
        return cls(
            row["number"],
            row["name"],
            json.loads(row["assignment"]),
            json.loads(row["labels"]),
            json.loads(row["rules"]),
            Condition(row["condition"]),
            row["reason"],
            row["attempt"],
            row["failures"],
            row["stopping"],
            None if row["pid"] is None else Identity(row["pid"], row["ticks"], row["boot"]),
            row["slot"],
            json.loads(row["position"]),
            json.loads(row["watch"]),
            observation.load(json.loads(row["series"])),
            None if cut is None else (cut[0], cut[1]),
            row["created"],
            row["started"],
            row["completed"],
        )


@dataclass(frozen=True, slots=True)
class Experiment:
    """The experiment as it stands in the state file; see the columns of the table."""

    name: str
    document: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    overlay: Mapping[str, str] = field(default_factory=dict)
    validated: bool = False
    exhausted: bool = False
    conditions: Sequence[Mapping[str, str]] = ()
    started: str = ""
    completed: str = ""

    def mark(self, type: str, reason: str, message: str, now: str) -> Experiment:
        """With the condition `type` true; another that no longer holds turns false."""
        kept = []
        transition = now
        for old in self.conditions:
            if old["type"] == type:
                if old["status"] == "True" and old["reason"] == reason:
                    transition = old["lastTransitionTime"]
                continue
            ends = old["type"] in {"Running", "Restarting", "Succeeded", "Failed"}
            if ends and old["status"] == "True":
                old = {**old, "status": "False", "lastUpdateTime": now, "lastTransitionTime": now}  # noqa: PLW2901
            kept.append(old)
        entry = {
            "type": type,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": transition,
        }
        done = type in {"Succeeded", "Failed"}
        return replace(self, conditions=(*kept, entry), completed=now if done else "")

    def condition(self) -> Mapping[str, str]:
        """The one that holds now: Created, Running, Restarting, Succeeded or Failed."""
        holding = [entry for entry in self.conditions if entry["status"] == "True"]
        return holding[-1] if holding else {"type": "", "reason": "", "message": ""}

    @property
    def done(self) -> bool:
        """Whether it has succeeded or failed."""
        return self.condition()["type"] in {"Succeeded", "Failed"}


class Busy(Exception):
    """Another runner holds the directory."""


class Lock:
    """The one runner of a directory. The kernel lets go of it when the process ends.

    Raises:
        Busy: If there is another; the text says which process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            who = self._file.read().strip() or "unknown"
            self._file.close()
            raise Busy(f"{folder}: another runner is at work here, process {who}") from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Lets the next runner in."""
        self._file.close()


class Store:
    """The state file of one experiment.

    Raises:
        sqlite3.Error: From every method, if the disk is full or the file is damaged; the state is
            then that before the call.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.folder = folder
        path = folder / FILE
        if not create and not path.exists():
            raise FileNotFoundError(f"{folder}: holds no experiment (no {FILE})")
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.row_factory = sqlite3.Row
        try:
            self._open(create)
        except BaseException:
            self._db.close()
            raise

    def _open(self, create: bool) -> None:
        if create:
            # WAL and NORMAL: a transaction survives the death of the process at once, and that of
            # the machine from the next checkpoint on; the file is sound either way.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self.transaction():
                if self._version() == 0:
                    for statement in _SCHEMA.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA user_version = {_VERSION}")
        version = self._version()
        if version == 0:
            raise FileNotFoundError(f"{self.folder}: the experiment has not been validated yet")
        if version != _VERSION:
            raise ValueError(f"{self.folder}: made by another version of this program ({version})")

    def _version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    def close(self) -> None:
        """Of the connection."""
        self._db.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within it is of one moment; a runner at work is not held up."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of its changes or none. Nested ones are part of the outer."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk ends it by itself
                self._db.execute("ROLLBACK")
            raise

    def writable(self) -> bool:
        """Whether a transaction can be written now; the disk may be full."""
        try:
            with self.transaction():
                self._db.execute("CREATE TABLE IF NOT EXISTS probe (filler BLOB)")
                self._db.execute("INSERT INTO probe VALUES (zeroblob(65536))")
            with self.transaction():
                self._db.execute("DROP TABLE probe")
        except sqlite3.OperationalError:
            return False
        return True

    # -------------------------------------------------------------- experiment

    def experiment(self) -> Experiment | None:
        """None before the first `save_experiment`."""
        row = self._db.execute("SELECT * FROM experiment").fetchone()
        if row is None:
            return None
        return Experiment(
            row["name"],
            json.loads(row["document"]),
            json.loads(row["options"]),
            json.loads(row["overlay"]),
            bool(row["validated"]),
            bool(row["exhausted"]),
            tuple(json.loads(row["conditions"])),
            row["started"],
            row["completed"],
        )

    def save_experiment(self, experiment: Experiment) -> None:
        """Replaces it."""
        with self.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO experiment VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    experiment.name,
                    json.dumps(experiment.document),
                    json.dumps(experiment.options),
                    json.dumps(experiment.overlay),
                    experiment.validated,
                    experiment.exhausted,
                    json.dumps(list(experiment.conditions)),
                    experiment.started,
                    experiment.completed,
                ),
            )

    # ------------------------------------------------------------------ trials

    def trials(self) -> list[Trial]:
        """All, in the order of their suggestions."""
        rows = self._db.execute("SELECT * FROM trials ORDER BY number")
        return [Trial.of(row) for row in rows]

    def save(self, *trials: Trial) -> None:
        """Writes new trials and replaces known ones."""
        with self.transaction():
            marks = ", ".join("?" * 21)
            self._db.executemany(
                f"INSERT OR REPLACE INTO trials VALUES ({marks})", (trial.row() for trial in trials)
            )

    # ----------------------------------------------------------------- reports

    def add_reports(self, trial: int, reports: Sequence[Report]) -> int:
        """Appends reports, which have their times, as one batch; returns its number."""
        with self.transaction():
            row = self._db.execute(
                "SELECT coalesce(max(batch), 0) + 1 FROM reports WHERE trial = ?", (trial,)
            )
            batch: int = row.fetchone()[0]
            self._db.executemany(
                "INSERT INTO reports VALUES (?, ?, ?, ?, ?)",
                ((trial, batch, entry.time, entry.metric, entry.value) for entry in reports),
            )
            self._db.execute("INSERT INTO outbox VALUES (?, ?)", (trial, batch))
        return batch

    def reports(self, trial: int, batch: int | None = None) -> list[Report]:
        """Of a trial, or of one batch, in order."""
        query = "SELECT time, metric, value FROM reports WHERE trial = ?"
        values: tuple[int, ...] = (trial,)
        if batch is not None:
            query, values = f"{query} AND batch = ?", (trial, batch)
        rows = self._db.execute(f"{query} ORDER BY rowid", values)
        return [Report(row["metric"], row["value"], row["time"]) for row in rows]

    def undelivered(self) -> list[tuple[int, int]]:
        """Trial and batch of what the DBManager has not confirmed, in order."""
        rows = self._db.execute("SELECT trial, batch FROM outbox ORDER BY trial, batch")
        return [(row["trial"], row["batch"]) for row in rows]

    def delivered(self, batches: Iterable[tuple[int, int]]) -> None:
        """The DBManager has these."""
        with self.transaction():
            self._db.executemany("DELETE FROM outbox WHERE trial = ? AND batch = ?", batches)

    def forget_reports(self, trial: int) -> None:
        """Of an attempt that does not count."""
        with self.transaction():
            self._db.execute("DELETE FROM reports WHERE trial = ?", (trial,))
            self._db.execute("DELETE FROM outbox WHERE trial = ?", (trial,))
