"""The DBManager service, as a process of its own."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa
from grpc_health.v1 import health_pb2
from hypothesis import given
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1 import dbmanager_messages as wire
from suggestion.client.launch import LocalServer, ServerError
from suggestion.observations.storage import Storage
from suggestion.problem.errors import Invalid
from suggestion.server.workers import GIVE_UP_SECONDS
from tests.dbmanager.conftest import Databases
from tests.support.servers import ServerProcess, serving


def at(second: int, rest: str = "Z") -> str:
    return f"2026-01-01T00:{second // 60 % 60:02d}:{second % 60:02d}{rest}"


def log(*reports: tuple[str, str, str]) -> api.ObservationLog:
    """Return a log of times, metrics and values."""
    message = api.ObservationLog()
    for stamp, metric, value in reports:
        message.metric_logs.add(time_stamp=stamp, metric={"name": metric, "value": value})
    return message


class Client:
    """Calls a DB manager."""

    def __init__(self, server: ServerProcess) -> None:
        self.stub = api_pb2_grpc.DBManagerStub(server.channel)

    def report(self, trial: str, *reports: tuple[str, str, str]) -> None:
        request = api.ReportObservationLogRequest(trial_name=trial, observation_log=log(*reports))
        self.stub.ReportObservationLog(request, timeout=30)

    def get(self, trial: str, **filters: str) -> list[tuple[str, str, str]]:
        request = api.GetObservationLogRequest(trial_name=trial, **filters)
        entries = self.stub.GetObservationLog(request, timeout=30).observation_log.metric_logs
        return [(e.time_stamp, e.metric.name, e.metric.value) for e in entries]

    def delete(self, trial: str) -> None:
        self.stub.DeleteObservationLog(api.DeleteObservationLogRequest(trial_name=trial))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('database') / 'observations.db'}"


@pytest.fixture(scope="module")
def server(url: str) -> Iterator[ServerProcess]:
    with serving("dbmanager", "--database", url, "--max-message-mib", "1") as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Client:
    made = Client(server)
    made.delete("trial")
    return made


def refusal(error: pytest.ExceptionInfo[grpc.RpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), error.value.details() or ""


# ------------------------------------------------------------------ the contract


def test_reports_come_back_in_order_and_in_utc(client: Client) -> None:
    client.report(
        "trial",
        (at(3), "loss", "0.3"),
        (at(1, ".500Z"), "loss", "1e-1"),
        ("2026-01-01T02:00:02+02:00", "accuracy", "nan"),
    )
    assert client.get("trial") == [
        (at(1, ".5Z"), "loss", "1e-1"),
        (at(2), "accuracy", "nan"),
        (at(3), "loss", "0.3"),
    ]


def test_filters(client: Client) -> None:
    client.report("trial", *((at(k), name, str(k)) for k in range(5) for name in ("a", "b")))
    assert client.get("trial", metric_name="a") == [(at(k), "a", str(k)) for k in range(5)]
    found = client.get(
        "trial", metric_name="b", start_time=at(1), end_time="2026-01-01T01:00:03+01:00"
    )
    assert found == [(at(k), "b", str(k)) for k in (1, 2, 3)]
    assert client.get("trial", start_time=at(4, ".1Z")) == []
    assert client.get("nobody") == []


def test_a_repeated_request_is_answered_alike_and_kept_once(client: Client) -> None:
    for _ in range(3):
        client.report("trial", (at(0), "loss", "1"), (at(0), "loss", "1"))
    assert len(client.get("trial")) == 2


def test_deleting(client: Client) -> None:
    client.report("trial", (at(0), "loss", "1"))
    client.delete("trial")
    client.delete("trial")
    assert client.get("trial") == []


def test_a_report_without_points_is_accepted(client: Client) -> None:
    client.report("trial")
    assert client.get("trial") == []


def test_an_entry_without_a_time_has_that_of_its_receipt(client: Client) -> None:
    before = datetime.now(UTC)
    for _ in range(2):  # a repetition is recognised all the same
        client.report("trial", (at(0), "loss", "1"), ("", "loss", "2"), (at(1), "loss", "3"))
    *timed, late = client.get("trial")
    assert timed == [(at(0), "loss", "1"), (at(1), "loss", "3")]
    assert before <= datetime.fromisoformat(late[0]) <= datetime.now(UTC)
    assert late[1:] == ("loss", "2")


def test_everything_that_is_wrong_is_named_at_once_and_nothing_kept(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.report(
            "trial",
            (at(0), "loss", "1"),
            ("yesterday", "loss", "1"),
            ("2026-02-30T00:00:00Z", "", "x" * 5000),
        )
    assert refusal(error) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "time_stamp of metric 'loss' must be an RFC 3339 time like 2026-01-31T09:30:00.25Z, "
        "got 'yesterday'; "
        "metric name must not be empty, got ''; "
        "value of metric '' must have at most 4096 characters, and no NUL, got 5000 characters; "
        "time_stamp of metric '' must be a time that exists, between the years 1 and 9999, "
        "got '2026-02-30T00:00:00Z'",
    )
    assert client.get("trial") == []


@pytest.mark.parametrize(
    ("trial", "filters", "text"),
    [
        ("", {}, "trial_name must not be empty, got ''"),
        ("t" * 254, {}, "trial_name must have at most 253 characters, got"),
        ("t\0", {}, "trial_name must not have a NUL character"),
        ("trial", {"metric_name": "m" * 254}, "metric_name must have at most 253 characters"),
        ("trial", {"start_time": "now"}, "start_time must be an RFC 3339 time"),
        (
            "trial",
            {"start_time": "0", "end_time": "2026-13-01T00:00:00Z"},
            "got '0'; end_time must be a time that exists",
        ),
    ],
)
def test_queries_that_cannot_be_answered(
    client: Client, trial: str, filters: dict[str, str], text: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.get(trial, **filters)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert text in (error.value.details() or "")


def test_a_trial_must_be_named(client: Client) -> None:
    for call in (client.delete, client.report):
        with pytest.raises(grpc.RpcError) as error:
            call("")
        assert refusal(error) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "trial_name must not be empty, got ''",
        )


def test_many_violations_fit_into_a_message(client: Client) -> None:
    with pytest.raises(grpc.RpcError) as error:
        client.report("trial", *(("now", "loss", "1") for _ in range(5000)))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.value.details() or "").endswith(" more")


def test_a_log_longer_than_a_message(client: Client) -> None:
    for minute in range(3):
        client.report("trial", *((at(60 * minute, f".{k}Z"), "loss", "1") for k in range(10_000)))
    with pytest.raises(grpc.RpcError) as error:
        client.get("trial")
    code, text = refusal(error)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert text.startswith(
        "the log of trial 'trial' is longer than a reply, of at most 1048576 bytes"
    )
    assert text.endswith("ask for one metric, or for less time with start_time and end_time")
    assert len(client.get("trial", start_time=at(60), end_time=at(119))) == 10_000


@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(at(0)), st.text(max_size=25)),
            st.text(max_size=4),
            st.text(max_size=4),
        ),
        max_size=5,
    ),
    st.text(max_size=4),
)
def test_a_report_is_read_or_refused(reports: list[tuple[str, str, str]], trial: str) -> None:
    message = api.ReportObservationLogRequest(trial_name=trial, observation_log=log(*reports))
    with suppress(Invalid):
        name, points = wire.read_report(message)
        assert name == trial
        assert [p[1:] for p in points] == [r[1:] for r in reports]


@given(st.lists(st.lists(st.tuples(st.just("2026-01-01T00:00:00"), st.text(), st.text()))))
def test_encoded_logs_can_be_joined(several: list[list[tuple[str, str, str]]]) -> None:
    joined = api.GetObservationLogReply.FromString(b"".join(map(wire.write_log, several)))
    expected = [(f"{time}Z", name, value) for some in several for time, name, value in some]
    found = joined.observation_log.metric_logs
    assert [(e.time_stamp, e.metric.name, e.metric.value) for e in found] == expected


def test_health_names(server: ServerProcess) -> None:
    for name in ("", "api.v1.beta1.DBManager", "manager.v1beta1.DBManager"):
        reply = server.health.Check(health_pb2.HealthCheckRequest(service=name))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING


# ----------------------------------------------------------------- in the large


def test_what_was_answered_outlives_the_server(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'observations.db'}"
    with serving("dbmanager", "--database", database) as first:
        Client(first).report("trial", (at(0), "loss", "1"))
        first.kill()
    with serving("dbmanager", "--database", database) as second:
        assert Client(second).get("trial") == [(at(0), "loss", "1")]


def test_once_stopped_all_is_in_the_one_file(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'kept.db'}"
    arguments = ("medianstop", "dbmanager", "--database", database, "--trial-status", "database")
    with serving(*arguments) as process:
        Client(process).report("trial", (at(0), "loss", "1"))
        address = process.address_of("medianstop")
        with grpc.insecure_channel(address) as channel:
            stub = api_pb2_grpc.EarlyStoppingStub(channel)
            stub.SetTrialStatus(api.SetTrialStatusRequest(trial_name="trial"), timeout=10)
        assert len(os.listdir(tmp_path)) > 1  # a write-ahead log
        assert process.stop()[0] == 0
    assert os.listdir(tmp_path) == ["kept.db"]


def test_a_full_disk_is_told_and_the_next_call_works(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'observations.db'}"
    with serving("dbmanager", "--database", database) as process:
        client, pid = Client(process), process.process.pid
        client.report("trial", (at(0), "loss", "1"))
        # No file of that process may grow beyond this; the kernel refuses as on a full disk.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
        with pytest.raises(grpc.RpcError) as error:
            client.report("trial", *((at(1), "loss", str(k) * 50) for k in range(5000)))
        assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert str(tmp_path) in (error.value.details() or "")
        infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, infinite)
        client.report("trial", (at(2), "loss", "2"))
        assert [value for _, _, value in client.get("trial")] == ["1", "2"]


def test_reads_do_not_wait_while_another_process_locks_the_database(tmp_path: Path) -> None:
    path, waiting = tmp_path / "observations.db", 257  # one of them has the writer's thread
    with serving("dbmanager", "--database", f"sqlite:///{path}") as process:
        client = Client(process)
        client.report("trial", (at(0), "loss", "0"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            calls = [
                client.stub.ReportObservationLog.future(
                    api.ReportObservationLogRequest(
                        trial_name="trial", observation_log=log((at(k), "loss", str(k)))
                    ),
                    timeout=60,
                )
                for k in range(1, waiting + 11)
            ]
            refused = [call for call in calls[-10:] if call.code() is not grpc.StatusCode.OK]
            assert client.get("trial") == [(at(0), "loss", "0")]
            other.execute("ROLLBACK")
        codes = Counter(call.code() for call in calls)
        assert codes == {grpc.StatusCode.OK: waiting, grpc.StatusCode.UNAVAILABLE: 10}
        assert {call.details() for call in refused} == {
            f"writing to database 'sqlite:///{path}': at most 256 calls may wait, and as many do; "
            f"try again"
        }
        assert len(client.get("trial")) == 1 + waiting


def test_callers_that_leave_while_another_process_locks_the_database(tmp_path: Path) -> None:
    path = tmp_path / "observations.db"
    with serving("dbmanager", "--database", f"sqlite:///{path}") as process:
        client = Client(process)
        client.report("trial", (at(0), "loss", "0"))
        request = api.ReportObservationLogRequest(
            trial_name="left", observation_log=log((at(1), "loss", "1"))
        )
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                call = client.stub.ReportObservationLog.future(request, timeout=60)
                time.sleep(0.3)  # it waits in the writer's thread
                call.cancel()
                time.sleep(2 * GIVE_UP_SECONDS)
                status = process.health.Check(health_pb2.HealthCheckRequest(), timeout=10).status
                assert status == health_pb2.HealthCheckResponse.SERVING
            other.execute("ROLLBACK")
        client.report("trial", (at(2), "loss", "2"))
        assert [value for _, _, value in client.get("trial")] == ["0", "2"]
        assert client.get("left") == []


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_callers_that_leave_a_locked_database_take_no_threads_with_them(
    kind: str, databases: Databases, tmp_path: Path
) -> None:
    url = sa.make_url(databases.url(kind, tmp_path))
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}[kind]
    lock = {
        "postgresql": "LOCK TABLE observation_points IN ACCESS EXCLUSIVE MODE",
        "mariadb": "LOCK TABLES observation_points WRITE",
    }[kind]
    text = url.render_as_string(hide_password=False)
    with serving("dbmanager", "--database", text) as process:
        client = Client(process)
        client.report("trial", (at(0), "loss", "0"))
        other = sa.create_engine(url.set(drivername=driver))
        with other.connect() as connection:
            connection.exec_driver_sql(lock)
            for turn in range(2):  # as many as there are threads, and as many in their places
                requests = [
                    api.ReportObservationLogRequest(
                        trial_name=f"left-{turn}-{k}", observation_log=log((at(1), "loss", "1"))
                    )
                    for k in range(8)
                ]
                calls = [client.stub.ReportObservationLog.future(r, timeout=60) for r in requests]
                time.sleep(0.5)  # they wait in the database
                for call in calls:
                    call.cancel()
                time.sleep(2 * GIVE_UP_SECONDS)
            for _ in range(600):  # soon they are seen to be gone
                check = process.health.Check(health_pb2.HealthCheckRequest(), timeout=10)
                if check.status == health_pb2.HealthCheckResponse.SERVING:
                    break
                time.sleep(0.1)
            else:
                pytest.fail("no thread is left")
        other.dispose()
        client.report("trial", (at(2), "loss", "2"))
        assert [value for _, _, value in client.get("trial")] == ["0", "2"]
        assert client.get("left-0-0") == []


def test_early_stopping_reads_and_marks_in_one_process(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'observations.db'}"
    arguments = ("medianstop", "dbmanager", "--database", database, "--trial-status", "database")
    with serving(*arguments) as process:
        assert process.banner.startswith("serving dbmanager on 127.0.0.1:")
        where = process.address_of("medianstop")
        client = Client(process)
        for number, value in enumerate((1, 2, 3, 4, 100)):
            reports = ((at(k), "loss", str(value)) for k in range(4))
            client.report(f"trial-{number}", *reports)
        request = api.GetEarlyStoppingRulesRequest(db_manager_address=process.address)
        spec = request.experiment.spec
        spec.objective.type = api.MINIMIZE
        spec.objective.objective_metric_name = "loss"
        spec.early_stopping.algorithm_name = "medianstop"
        for number in range(5):
            trial = request.trials.add(name=f"trial-{number}")
            trial.status.condition = api.TrialStatus.SUCCEEDED
        with grpc.insecure_channel(where) as channel:
            stub = api_pb2_grpc.EarlyStoppingStub(channel)
            (rule,) = stub.GetEarlyStoppingRules(request).early_stopping_rules
            for _ in range(2):
                stub.SetTrialStatus(api.SetTrialStatusRequest(trial_name="trial-3"))
            with pytest.raises(grpc.RpcError) as error:
                stub.SetTrialStatus(api.SetTrialStatusRequest(trial_name="nobody"))
    assert (rule.value, rule.comparison, rule.start_step) == ("3.0", api.GREATER, 4)
    assert refusal(error) == (
        grpc.StatusCode.NOT_FOUND,
        "trial 'nobody' is not known: it has reported nothing",
    )
    storage = Storage(database)
    assert storage.status("trial-3") == "EarlyStopped"
    assert storage.status("trial-2") is None
    storage.close()


@pytest.mark.parametrize(
    ("database", "status", "text"),
    [
        ("nowhere", 2, "database: URL must begin with sqlite:///"),
        ("sqlite:////none/observations.db", 1, "unable to open database file"),
        ("postgresql://u:secret@127.0.0.1:1/d", 1, "postgresql://u:***@127.0.0.1:1/d"),
    ],
)
def test_a_database_that_cannot_be_used_ends_the_start(
    database: str, status: int, text: str
) -> None:
    with pytest.raises(ServerError) as error, LocalServer(("dbmanager", "--database", database)):
        pass
    assert error.value.status == status
    assert text in error.value.output
    assert "secret" not in error.value.output
