"""The observation log, the same on every database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing, suppress
from pathlib import Path
from queue import Queue

import pytest
import sqlalchemy as sa

from suggestion.observations import engine, schema
from suggestion.observations.engine import Database
from suggestion.observations.storage import Point, Storage
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Invalid, Missing, Unreachable, Unready
from tests.dbmanager.conftest import Databases


def at(second: int, fraction: str = "") -> str:
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}{fraction}"


def points(*values: object, metric: str = "loss") -> list[Point]:
    """One a second."""
    return [(at(second), metric, str(value)) for second, value in enumerate(values)]


def read(storage: Storage, trial: str, *filters: str) -> list[Point]:
    return [tuple(point) for chunk in storage.read(trial, *filters) for point in chunk]  # type: ignore[misc]


def values(storage: Storage, trial: str, *filters: str) -> list[str]:
    return [value for _, _, value in read(storage, trial, *filters)]


# ------------------------------------------------------------------------ logs


def test_what_is_reported_is_read(storage: Storage) -> None:
    assert storage.report("trial", points(1, 2, 3))
    assert read(storage, "trial") == points(1, 2, 3)


def test_an_unknown_trial_has_an_empty_log(storage: Storage) -> None:
    assert read(storage, "nobody") == []
    assert read(storage, "nobody", "loss", at(0), at(9)) == []


def test_a_log_is_in_order_of_time_and_then_of_arrival(storage: Storage) -> None:
    storage.report("trial", [(at(2), "loss", "d"), (at(1), "loss", "b")])
    storage.report("trial", [(at(1), "loss", "c"), (at(0), "loss", "a"), (at(2), "loss", "e")])
    assert values(storage, "trial", "loss") == list("abcde")
    assert values(storage, "trial") == list("abcde")


def test_fractions_are_in_order(storage: Storage) -> None:
    fractions = ["", ".000000001", ".01", ".05", ".0500001", ".1", ".49", ".5", ".999999999"]
    shuffled = fractions[::2] + fractions[1::2]
    storage.report("trial", [(at(7, f), "loss", f) for f in shuffled])
    assert values(storage, "trial", "loss") == fractions


def test_metrics_are_told_apart(storage: Storage) -> None:
    storage.report("trial", [*points(1, 2), *points(7, 8, metric="accuracy")])
    assert values(storage, "trial", "accuracy") == ["7", "8"]
    assert values(storage, "trial") == ["1", "7", "2", "8"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("", "", "abcde"),
        (at(1), "", "bcde"),
        ("", at(3), "abcd"),
        (at(1), at(3), "bcd"),
        (at(1, ".000000001"), at(2, ".999999999"), "c"),
        (at(2), at(2), "c"),
        (at(3), at(1), ""),
    ],
)
def test_both_ends_of_a_range_belong_to_it(
    storage: Storage, start: str, end: str, expected: str
) -> None:
    storage.report("trial", points(*"abcde"))
    assert values(storage, "trial", "loss", start, end) == list(expected)
    assert values(storage, "trial", "", start, end) == list(expected)


ODD_TEXTS = [
    "Trial",
    "trial ",
    " trial",
    "trîal",
    "tr'ial",
    'tr"ial',
    "tr%sial",
    "t\\rial",
    "试验🧪",
]


def test_names_are_equal_only_if_every_character_is(storage: Storage) -> None:
    names = ["trial", *ODD_TEXTS, "t" * 253]
    for number, name in enumerate(names):
        storage.report(name, [(at(0), name, str(number))])
    for number, name in enumerate(names):
        assert read(storage, name) == [(at(0), name, str(number))]
        assert read(storage, name, name) == [(at(0), name, str(number))]
        assert read(storage, name, f"{name}x") == []


def test_values_are_kept_as_they_were_written(storage: Storage) -> None:
    texts = ["", "0.10", " 1e-3 ", "nan", "unavailable", "x" * 4096, "🧪" * 4096, *ODD_TEXTS]
    storage.report("trial", points(*texts))
    assert values(storage, "trial", "loss") == texts


def test_long_logs_come_in_chunks(storage: Storage) -> None:
    many = [(at(k // 60, f".{k % 60:02d}1"), "loss", str(k)) for k in range(9001)]
    storage.report("trial", many)
    chunks = list(storage.read("trial", "loss"))
    assert len(chunks) > 2
    assert [tuple(p) for chunk in chunks for p in chunk] == many


def test_a_reader_that_stops_early_leaves_nothing_behind(storage: Storage) -> None:
    storage.report("trial", [(at(0), "loss", str(k)) for k in range(4500)])
    for _ in range(20):  # more than there are connections
        chunks = storage.read("trial")
        next(chunks)
        chunks.close()
    assert storage.report("trial", points(1))


# -------------------------------------------------------------------- repeating


def test_a_repeated_report_is_kept_once(storage: Storage) -> None:
    assert storage.report("trial", points(1, 2))
    assert not storage.report("trial", points(1, 2))
    assert values(storage, "trial") == ["1", "2"]


def test_equal_points_of_one_report_are_all_kept(storage: Storage) -> None:
    same = [(at(0), "loss", "1")] * 3
    assert storage.report("trial", same)
    assert not storage.report("trial", same)
    assert values(storage, "trial") == ["1", "1", "1"]


@pytest.mark.parametrize(
    "other",
    [
        points(2, 1),
        points(1, 2, 3),
        points(1),
        points(1, 2, metric="Loss"),
        [(at(0), "loss", "1"), (at(1), "los", "s2")],
    ],
)
def test_any_other_report_is_another(storage: Storage, other: Sequence[Point]) -> None:
    assert storage.report("trial", points(1, 2))
    assert storage.report("trial", other)
    assert len(read(storage, "trial")) == 2 + len(other)


def test_two_trials_may_report_the_same(storage: Storage) -> None:
    assert storage.report("one", points(1))
    assert storage.report("other", points(1))


def test_an_empty_report_is_nothing(storage: Storage) -> None:
    assert not storage.report("trial", [])
    with pytest.raises(Missing):
        storage.set_status("trial", "EarlyStopped")


def test_one_report_sent_by_many_at_once_is_kept_once(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: storage.report("trial", points(*range(50))), range(16)))
    assert kept.count(True) == 1
    assert values(storage, "trial") == [str(k) for k in range(50)]


def test_reports_at_once_are_all_kept_each_in_its_order(storage: Storage) -> None:
    def report(writer: int) -> None:
        for batch in range(3):
            numbers = range(batch * 10, batch * 10 + 10)
            storage.report("trial", [(at(0), f"m{writer}", str(k)) for k in numbers])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(report, range(6)))
    for writer in range(6):
        assert values(storage, "trial", f"m{writer}") == [str(k) for k in range(30)]


def test_points_without_a_time_have_that_of_receipt_and_are_recognised(storage: Storage) -> None:
    reported = [("", "loss", "2"), (at(0), "loss", "1")]
    assert storage.report("trial", reported, received=at(5))
    assert not storage.report("trial", reported, received=at(9))
    assert read(storage, "trial") == [(at(0), "loss", "1"), (at(5), "loss", "2")]


# ----------------------------------------------------------- deleting, statuses


def test_a_report_beside_a_deletion_is_kept_whole_or_not_at_all(storage: Storage, url: str) -> None:
    """Its repetition, by a client that saw no answer, is then kept once."""
    other = Storage(url)

    def intrude(connection: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("DELETE") or reports:
            return
        reports.append(pool.submit(other.report, "trial", points(1)))
        with suppress(FutureTimeoutError):  # it waits for the deletion, or has gone between
            reports[0].result(0.5)

    reports: list[Future[bool]] = []
    sa.event.listen(sa.Engine, "after_cursor_execute", intrude)
    try:
        with ThreadPoolExecutor(1) as pool:
            storage.delete("trial")
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", intrude)
    assert reports[0].result()
    other.report("trial", points(1))
    assert values(storage, "trial") == ["1"]
    other.close()


def test_a_deleted_trial_is_forgotten(storage: Storage) -> None:
    for trial in ("trial", "trial-2"):
        storage.report(trial, points(1))
        storage.set_status(trial, "EarlyStopped")
    storage.delete("trial")
    storage.delete("trial")
    assert read(storage, "trial") == []
    assert storage.status("trial") is None
    assert values(storage, "trial-2") == ["1"]
    assert storage.status("trial-2") == "EarlyStopped"
    assert storage.report("trial", points(1))  # not a repetition any more
    assert values(storage, "trial") == ["1"]


def test_statuses(storage: Storage) -> None:
    with pytest.raises(Missing, match="trial 'trial' is not known: it has reported nothing"):
        storage.set_status("trial", "EarlyStopped")
    storage.report("trial", points(1))
    assert storage.status("trial") is None
    storage.set_status("trial", "EarlyStopped")
    storage.set_status("trial", "EarlyStopped")
    assert storage.status("trial") == "EarlyStopped"


# ---------------------------------------------------------------------- schema


def test_another_server_sees_the_same(url: str, storage: Storage) -> None:
    storage.report("trial", points(1))
    other = Storage(url)
    assert values(other, "trial") == ["1"]
    assert not other.report("trial", points(1))
    other.close()


def test_servers_that_start_at_once_do_not_hinder_each_other(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for storage in pool.map(Storage, [url] * 8):
            storage.close()
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.VERSIONS)).all() == [(schema.VERSION,)]
    database.close()


def test_a_file_that_is_being_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not always wait for the lock to switch to a write-ahead log."""
    monkeypatch.setitem(engine._DRIVERS, "sqlite", ("sqlite", "dbmanager", {"timeout": 0}))
    other = sqlite3.connect(tmp_path / "observations.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    looks = []

    def cancelled() -> bool:  # asked between two attempts
        looks.append(other.in_transaction)
        if other.in_transaction:
            other.execute("COMMIT")
        return False

    database = Database(f"sqlite:///{tmp_path}/observations.db")
    mode = database.write(
        lambda connection: connection.execute(sa.text("PRAGMA journal_mode")).scalar(),
        Deadline(cancelled=cancelled),
    )
    assert (mode, looks[0]) == ("wal", True)
    database.close()
    other.close()


def test_tables_of_the_first_version_are_brought_up_to_date(url: str) -> None:
    storage = Storage(url)
    storage.report("trial", points(1, 2))
    storage.close()
    database = Database(url)
    with database.writing() as connection:  # as version 1 left them
        schema.STATUSES.drop(connection)
        connection.execute(sa.update(schema.VERSIONS).values(version=1))
    for _ in range(2):
        storage = Storage(url)
        storage.set_status("trial", "EarlyStopped")
        assert values(storage, "trial") == ["1", "2"]
        assert not storage.report("trial", points(1, 2))
        storage.close()
    with database.reading() as connection:
        assert connection.execute(sa.select(schema.VERSIONS)).all() == [(2,)]
    database.close()


def test_tables_of_a_later_version_are_left_alone(url: str) -> None:
    Storage(url).close()
    database = Database(url)
    with database.writing() as connection:
        connection.execute(sa.update(schema.VERSIONS).values(version=99))
    with pytest.raises(
        Unready, match="has tables of version 99, this program knows versions up to"
    ):
        Storage(url)
    database.close()


# --------------------------------------------------------------------- troubles


def test_a_table_that_is_missing_is_told_in_the_words_of_the_database(
    url: str, storage: Storage
) -> None:
    database = Database(url)
    with database.writing() as connection:
        schema.POINTS.drop(connection)
    for call in (
        lambda: storage.report("trial", points(1)),
        lambda: read(storage, "trial"),
        lambda: storage.delete("trial"),
    ):
        with pytest.raises(Unready, match=r"^database '.*observation_points"):
            call()
    database.close()


def test_a_rule_that_somebody_added_is_told(url: str, storage: Storage) -> None:
    """It was acknowledged, as if the report had come before, and was not kept."""
    database = Database(url)
    name = schema.POINTS.name
    with database.writing() as connection:
        if database.kind == "sqlite":
            refuse = "BEGIN SELECT RAISE(ABORT, 'quota is used up') WHERE new.value = '2'; END"
            connection.exec_driver_sql(f"CREATE TRIGGER quota BEFORE INSERT ON {name} {refuse}")
        else:
            connection.exec_driver_sql(
                f"ALTER TABLE {name} ADD CONSTRAINT quota CHECK (value <> '2')"
            )
    with pytest.raises(Unready, match=r"^database '.*quota"):
        storage.report("trial", points(2))
    assert storage.report("trial", points(1))
    assert not storage.report("trial", points(1))
    database.close()


@pytest.mark.integration
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_encodings_of_postgresql(encoding: str, databases: Databases, tmp_path: Path) -> None:
    server = sa.create_engine(
        sa.make_url(databases.url("postgresql", tmp_path)).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    made = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE other {made}")
    url = server.url.set(drivername="postgresql", database="other")
    with closing(Storage(url.render_as_string(hide_password=False))) as storage:
        assert storage.report("größe", points(1))
        assert values(storage, "größe") == ["1"]
        if encoding == "LATIN1":
            with pytest.raises(Unready, match="has no equivalent in encoding"):
                storage.report("損失", points(1))
        else:
            assert storage.report("損失", points(1))
    with server.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE other")
    server.dispose()


@pytest.mark.integration
def test_a_deadlock_is_begun_anew(databases: Databases, tmp_path: Path) -> None:
    """Two transactions that wait for each other: the database ends the smaller one, ours."""
    url = databases.url("mariadb", tmp_path)
    storage, database = Storage(url), Database(url)
    for trial in ("a", "b"):
        storage.report(trial, points(1))

    def change(connection: sa.Connection, trial: str) -> None:
        rows = schema.POINTS.c.trial == trial
        connection.execute(sa.update(schema.POINTS).where(rows).values(value="changed"))

    def work(connection: sa.Connection) -> None:
        tries.append(connection)
        change(connection, "b")
        if len(tries) == 1:
            waiting.put(pool.submit(change, other, "b"))
        change(connection, "a")

    tries: list[sa.Connection] = []
    waiting: Queue[Future[None]] = Queue()
    with ThreadPoolExecutor() as pool, database.reading() as other:
        other.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 60")
        large = [{"trial": "c", "metric": "loss", "time": at(0), "value": "1"}] * 1000
        other.execute(sa.insert(schema.POINTS), large)
        change(other, "a")
        writing = pool.submit(database.write, work)
        waiting.get(timeout=60).result(60)
        other.commit()
        writing.result(60)
    assert len(tries) > 1
    assert values(storage, "a") == ["changed"]
    storage.close()
    database.close()


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_privilege_that_is_missing(kind: str, databases: Databases, tmp_path: Path) -> None:
    url = databases.url(kind, tmp_path)
    Storage(url).close()
    account = "reader" if kind == "postgresql" else "reader@127.0.0.1"
    owner = Database(url)
    with owner.writing() as connection:
        login = " LOGIN" if kind == "postgresql" else ""
        verb = "ROLE" if kind == "postgresql" else "USER"
        connection.exec_driver_sql(f"DROP {verb} IF EXISTS {account}")
        connection.exec_driver_sql(f"CREATE {verb} {account}{login}")
        for table in schema.TABLES:
            connection.exec_driver_sql(f"GRANT SELECT ON {table} TO {account}")
    reader = Storage(sa.make_url(url).set(username="reader").render_as_string(hide_password=False))
    with pytest.raises(Unready, match="denied"):
        reader.report("trial", points(1))
    assert read(reader, "trial") == []
    reader.close()
    with owner.writing() as connection:
        for table in schema.TABLES:
            connection.exec_driver_sql(f"REVOKE SELECT ON {table} FROM {account}")
        connection.exec_driver_sql(f"DROP {verb} {account}")
    owner.close()


@pytest.mark.integration
def test_postgresql_that_is_read_only(databases: Databases, tmp_path: Path) -> None:
    url = sa.make_url(databases.url("postgresql", tmp_path))
    Storage(url.render_as_string(hide_password=False)).close()
    options = {"options": "-c default_transaction_read_only=on"}
    storage = Storage(url.update_query_dict(options).render_as_string(hide_password=False))
    with pytest.raises(Unready, match="read-only transaction"):
        storage.report("trial", points(1))
    storage.close()


# ------------------------------------------------------------------------ URLs


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "URL must begin with sqlite:///, postgresql://, mysql:// or mariadb://, got ''"),
        ("observations.db", "URL must begin with .*, got 'observations.db'"),
        ("oracle://u:secret@host/db", "URL must begin with .*, got 'oracle'$"),
        ("sqlite://", "a SQLite URL must name a file, as in sqlite:///observations.db"),
        ("sqlite:///:memory:", "a SQLite URL must name a file"),
        (
            "postgresql://host",
            r"URL must name the database after the host, got 'postgresql://host'",
        ),
        ("mysql://u:secret@host", r"URL must name the database .*, got 'mysql://u:\*\*\*@host'"),
    ],
)
def test_other_urls_are_refused_without_showing_passwords(url: str, text: str) -> None:
    with pytest.raises(Invalid, match=f"^database: {text}"):
        Storage(url)


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "mariadb"])
def test_a_database_that_is_down(kind: str) -> None:
    with pytest.raises(Unreachable, match=rf"database '{kind}://u:\*\*\*@127.0.0.1:1/d'"):
        Storage(f"{kind}://u:secret@127.0.0.1:1/d")


# ---------------------------------------------------------------------- SQLite


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unready, match="unable to open database file"):
        Storage(f"sqlite:///{tmp_path / 'none' / 'observations.db'}")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one " * 50)
    with pytest.raises(Unready, match="file is not a database"):
        Storage(f"sqlite:///{path}")


def test_a_file_that_is_read_only(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    writable = Storage(f"sqlite:///{path}")
    writable.report("trial", points(1))
    storage = Storage(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(Unready, match="attempt to write a readonly database"):
        storage.report("trial", points(2))
    assert values(storage, "trial") == ["1"]
    storage.close()
    writable.close()


def test_writers_wait_for_another_process_together(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    storage = Storage(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        # All of them begin to wait now: none waits for the wait of another.
        until = Deadline.after(1)
        with ThreadPoolExecutor(8) as pool:
            reports = [
                pool.submit(storage.report, f"trial-{k}", points(1), deadline=until)
                for k in range(8)
            ]
            errors = [report.exception() for report in reports]
        assert {type(error) for error in errors} == {Unreachable}
        other.execute("ROLLBACK")
    assert storage.report("trial", points(1))
    storage.close()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    storage = Storage(f"sqlite:///{path}")
    storage.report("trial", points(1))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert values(storage, "trial") == ["1"]
    other.execute("ROLLBACK")
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    storage.close()


WRITER = """
import sys
from suggestion.observations.storage import Storage
storage = Storage(sys.argv[1])
for number in range(10**6):
    storage.report("trial", [("2026-01-01T00:00:00", str(number), str(k)) for k in range(50)])
    print(number, flush=True)
"""


def test_a_process_killed_while_writing_leaves_whole_reports(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'observations.db'}"
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        answered = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        answered += map(int, writer.communicate()[0].split())
        storage = Storage(url)
        found = read(storage, "trial")
        storage.delete("trial")
        storage.close()
        metrics = list(dict.fromkeys(metric for _, metric, _ in found))
        assert [int(m) for m in metrics][: len(answered)] == answered
        assert [(m, v) for _, m, v in found] == [(m, str(k)) for m in metrics for k in range(50)]
