"""The tables of the state file, and how those of earlier versions are read and brought up to date.

The version of a file is its ``user_version``. A change of the tables is a new version, a statement
list in `_MIGRATIONS`, and, where trials look different, a view in `_VIEWS`, through which a reader
that must not change the file sees them as they are now.
"""

from __future__ import annotations

import sqlite3
from typing import Final

VERSION: Final = 4

_TRIALS_2: Final = """
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
    stopping TEXT NOT NULL,     -- why it is being stopped
    handle TEXT NOT NULL,       -- what its runtime finds it by, JSON
    slot INTEGER,
    position TEXT NOT NULL,     -- where its collector continues, JSON
    watch TEXT NOT NULL,        -- what its rules have seen, JSON
    series TEXT NOT NULL,       -- min, max, latest, count by metric, JSON
    cut TEXT NOT NULL,          -- the part of its output that is not kept, JSON [begin, end]
    batch INTEGER NOT NULL,     -- number of the latest batch of reports, over all attempts
    created TEXT NOT NULL,
    started TEXT NOT NULL,
    completed TEXT NOT NULL
)
"""
# Attempts that were lost, which are no failures.
_LOSSES: Final = "ALTER TABLE trials ADD COLUMN losses INTEGER NOT NULL DEFAULT 0"
_EVENTS: Final = """
CREATE TABLE events (           -- what has happened, in order, written with what followed from it
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    trial INTEGER,
    detail TEXT NOT NULL        -- JSON
)
"""
_REQUESTS: Final = """
CREATE TABLE requests (         -- what users have asked for from outside
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,      -- JSON
    done INTEGER,               -- whether it was carried out, or is refused; with the answer
    answer TEXT
)
"""
_SCHEMA: Final = (
    """
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
)
""",
    _TRIALS_2,
    _LOSSES,
    """
CREATE TABLE reports (
    trial INTEGER NOT NULL REFERENCES trials (number),
    batch INTEGER NOT NULL,     -- what is sent to the DBManager in one request
    time TEXT NOT NULL,
    metric TEXT NOT NULL,
    value TEXT NOT NULL
)
""",
    "CREATE INDEX reports_by_trial ON reports (trial, batch)",
    """
CREATE TABLE outbox (           -- batches that the DBManager has not confirmed
    trial INTEGER NOT NULL,
    batch INTEGER NOT NULL,     -- below 0: the deletion of what attempts reported
    PRIMARY KEY (trial, batch)
) WITHOUT ROWID
""",
    _EVENTS,
    _REQUESTS,
)

# Trials of version 1, which knew only processes of this machine.
_TRIALS_1: Final = """
SELECT number, name, assignment, labels, rules, condition, reason, attempt, failures, stopping,
    CASE WHEN pid IS NULL THEN 'null'
        ELSE json_object('pid', pid, 'started', ticks, 'boot', boot) END AS handle,
    slot, position, watch, series, cut,
    coalesce((SELECT max(batch) FROM main.reports WHERE trial = number), 0) AS batch,
    created, started, completed
FROM main.trials
"""
_VIEWS: Final = {
    1: f"CREATE TEMP VIEW trials AS SELECT *, 0 AS losses FROM ({_TRIALS_1})",
    2: "CREATE TEMP VIEW trials AS SELECT *, 0 AS losses FROM main.trials",
}
_MIGRATIONS: Final = {
    1: (
        _TRIALS_2.replace("TABLE trials", "TABLE trials_2"),
        f"INSERT INTO trials_2 {_TRIALS_1}",
        "DROP TABLE trials",
        "ALTER TABLE trials_2 RENAME TO trials",
        _EVENTS,
    ),
    2: (_LOSSES,),
    3: (_REQUESTS,),
}


def version(db: sqlite3.Connection) -> int:
    """Return the version of the file; 0 if it holds nothing yet."""
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def upgrade(db: sqlite3.Connection) -> None:
    """Create the tables, or bring those of an earlier version up to date. Call in a transaction."""
    found = version(db)
    if found > VERSION:
        return
    for statement in _SCHEMA if found == 0 else ():
        db.execute(statement)
    for step in range(found or VERSION, VERSION):
        for statement in _MIGRATIONS[step]:
            db.execute(statement)
    if found != VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")


def see(db: sqlite3.Connection) -> None:
    """Let this connection see the tables of an earlier version as they are now."""
    view = _VIEWS.get(version(db))
    if view is not None:
        db.execute(view)
