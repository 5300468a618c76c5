"""The EarlyStopping service: as a process of its own, and against DB managers of all sorts."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1 import log_reader as reader
from suggestion.api.v1beta1.earlystopping_messages import STEP_LABEL
from suggestion.api.v1beta1.earlystopping_service import EarlyStoppingService
from suggestion.api.v1beta1.log_reader import CurveReader
from suggestion.earlystopping.rule import rules
from suggestion.earlystopping.statuses import NoStatuses
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Cancelled, Invalid, TimedOut, Unreachable
from suggestion.problem.locations import dotted
from tests.support.logs import LogServer, listening
from tests.support.servers import ServerProcess, serving

CONDITION = api.TrialStatus.TrialConditionType
FIVE = (1, 2, 3, 4, 100)


def asking(
    address: str,
    trials: Iterable[str | api.Trial],
    *,
    algorithm: str = "medianstop",
    maximize: bool = False,
    metric: str = "loss",
    **chosen: object,
) -> api.GetEarlyStoppingRulesRequest:
    """A request with completed `trials`, and `chosen` settings."""
    request = api.GetEarlyStoppingRulesRequest(db_manager_address=address)
    request.experiment.name = "exp"
    spec = request.experiment.spec
    spec.objective.type = api.MAXIMIZE if maximize else api.MINIMIZE
    spec.objective.objective_metric_name = metric
    spec.early_stopping.algorithm_name = algorithm
    for name, value in chosen.items():
        spec.early_stopping.algorithm_settings.add(name=name, value=str(value))
    request.trials.extend(completed(t) if isinstance(t, str) else t for t in trials)
    return request


def completed(
    name: str, condition: int = CONDITION.SUCCEEDED, metric: str = "", **status: str
) -> api.Trial:
    trial = api.Trial(name=name, status=api.TrialStatus(condition=condition, **status))  # type: ignore[arg-type]
    trial.spec.objective.objective_metric_name = metric
    return trial


def names(number: int) -> list[str]:
    return [f"trial-{k}" for k in range(number)]


def rule(
    value: str, comparison: int = api.GREATER, step: int = 4, name: str = "loss"
) -> list[api.EarlyStoppingRule]:
    return [
        api.EarlyStoppingRule(name=name, value=value, comparison=comparison, start_step=step)  # type: ignore[arg-type]
    ]


@pytest.fixture
def logs() -> LogServer:
    servicer = LogServer()
    for name, value in zip(names(5), FIVE, strict=True):
        servicer.put(name, [value] * 4)
    return servicer


@pytest.fixture
def address(logs: LogServer) -> Iterator[str]:
    with listening(logs) as at:
        yield at


class Service:
    """The service in this process."""

    def __init__(self) -> None:
        self.reader = CurveReader()
        self.service = EarlyStoppingService(rules(), self.reader, NoStatuses())

    def rules(
        self, request: api.GetEarlyStoppingRulesRequest, deadline: Deadline = NEVER
    ) -> list[api.EarlyStoppingRule]:
        reply = self.service.get_early_stopping_rules(request, Call(deadline))
        return list(reply.early_stopping_rules)


@contextmanager
def a_service() -> Iterator[Service]:
    made = Service()
    try:
        yield made
    finally:
        made.reader.close()


@pytest.fixture
def service() -> Iterator[Service]:
    with a_service() as made:
        yield made


# -------------------------------------------------------------------- the rule


def test_five_completed_trials_give_the_median(service: Service, address: str) -> None:
    assert service.rules(asking(address, names(5))) == rule("3.0")


def test_maximising_turns_the_comparison_round(service: Service, address: str) -> None:
    found = service.rules(asking(address, names(5), maximize=True))
    assert found == rule("3.0", api.LESS)


def test_percentiles_count_from_the_best_either_way(service: Service, address: str) -> None:
    low = asking(address, names(5), algorithm="percentilestop", percentile=25)
    assert service.rules(low) == rule("2.0")
    high = asking(address, names(5), algorithm="percentilestop", percentile=25, maximize=True)
    assert service.rules(high) == rule("4.0", api.LESS)


def test_the_rule_follows_new_trials(service: Service, logs: LogServer, address: str) -> None:
    assert service.rules(asking(address, names(3))) == rule("2.0")
    assert service.rules(asking(address, names(4))) == rule("2.5")
    logs.put("another", [0] * 4)
    assert service.rules(asking(address, [*names(4), "another"])) == rule("2.0")


def test_settings_and_direction_are_read_anew_each_time(service: Service, address: str) -> None:
    assert service.rules(asking(address, names(5))) == rule("3.0")
    assert service.rules(asking(address, names(5), start_step=2)) == rule("3.0", step=2)
    assert service.rules(asking(address, names(5), min_trials_required=6)) == []
    assert service.rules(asking(address, names(5), maximize=True)) == rule("3.0", api.LESS)
    assert service.rules(asking(address, names(5))) == rule("3.0")


@pytest.mark.parametrize("condition", [c for c in CONDITION.values() if c != CONDITION.SUCCEEDED])
def test_only_succeeded_trials_count(service: Service, address: str, condition: int) -> None:
    trials: list[str | api.Trial] = [*names(4), completed("trial-4", condition)]
    assert service.rules(asking(address, trials)) == rule("2.5")
    assert service.rules(asking(address, trials, min_trials_required=5)) == []


def test_a_trial_counts_once(service: Service, address: str) -> None:
    assert service.rules(asking(address, names(2) * 3)) == []


def test_the_order_of_trials_does_not_matter(
    service: Service, logs: LogServer, address: str
) -> None:
    twice = [completed("trial-4", metric="other"), completed("trial-4")]
    logs.put("trial-4", [0.5] * 4, metric="other")
    one = service.rules(asking(address, [*names(4), *twice]))
    assert service.rules(asking(address, [*twice[::-1], *names(4)[::-1]])) == one


def test_a_trial_names_its_own_metric(service: Service, logs: LogServer, address: str) -> None:
    logs.put("trial-0", [7] * 4, metric="val")
    trials: list[str | api.Trial] = [completed("trial-0", metric="val"), *names(5)[1:3]]
    assert service.rules(asking(address, trials)) == rule("3.0")


def test_too_few_trials_need_no_db_manager(service: Service) -> None:
    assert service.rules(asking("", names(2))) == []
    assert service.rules(asking("127.0.0.1:1", names(2))) == []


def test_too_few_usable_logs_give_no_rule(service: Service, logs: LogServer, address: str) -> None:
    logs.put("trial-0", [])
    logs.put("trial-1", ["nan", "inf", "", "oops"])
    assert service.rules(asking(address, names(4))) == []
    assert service.rules(asking(address, names(5))) == rule("4.0")


REPORTS = st.tuples(
    st.one_of(st.just("2026-01-01T00:00:00Z"), st.text(max_size=25)),
    st.one_of(st.floats().map(repr), st.text(max_size=5)),
)
SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(several=st.lists(st.lists(REPORTS, max_size=6), min_size=3, max_size=5), up=st.booleans())
def test_no_log_fails_a_call(
    service: Service,
    logs: LogServer,
    address: str,
    several: list[list[tuple[str, str]]],
    up: bool,
) -> None:
    trials = []
    for name, log in zip(names(len(several)), several, strict=True):
        logs.logs[name, "loss"] = log
        trials.append(completed(name, start_time=repr(several)))  # not those of the last example
    for entry in service.rules(asking(address, trials, maximize=up)):
        assert repr(float(entry.value)) == entry.value
        assert entry.comparison == (api.LESS if up else api.GREATER)


@SHARED
@given(value=st.floats(allow_nan=False, allow_infinity=False), up=st.booleans())
def test_no_digit_is_lost(
    service: Service, logs: LogServer, address: str, value: float, up: bool
) -> None:
    logs.put("trial-0", [repr(value)] * 4)
    trial = completed("trial-0", start_time=repr(value))
    (found,) = service.rules(asking(address, [trial], maximize=up, min_trials_required=1))
    assert float(found.value) == value
    assert found.value != "-0.0"


# ------------------------------------------------------------- what is kept


def test_a_log_is_read_once(service: Service, logs: LogServer, address: str) -> None:
    for _ in range(3):
        service.rules(asking(address, names(5)))
    assert set(logs.times_asked.values()) == {1}


def test_a_trial_made_anew_under_an_old_name_is_read_anew(
    service: Service, logs: LogServer, address: str
) -> None:
    old = [completed(name, start_time="2026-01-01T00:00:00Z") for name in names(3)]
    new = [completed(name, start_time="2026-01-02T00:00:00Z") for name in names(3)]
    assert service.rules(asking(address, old)) == rule("2.0")
    for name in names(3):
        logs.put(name, [9] * 4)
    assert service.rules(asking(address, new)) == rule("9.0")


def test_an_empty_log_may_just_be_late(service: Service, logs: LogServer, address: str) -> None:
    logs.put("trial-0", [])
    assert service.rules(asking(address, names(3))) == []
    logs.put("trial-0", [2.5] * 4)
    assert service.rules(asking(address, names(3))) == rule("2.5")


def test_a_fresh_process_answers_the_same(service: Service, logs: LogServer, address: str) -> None:
    for number in range(3, 6):
        request = asking(address, names(number))
        with a_service() as other:
            assert service.rules(request) == other.rules(request)


def test_what_is_kept_is_bounded(
    logs: LogServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_CACHE_BYTES", 2500)  # three curves
    with a_service() as service:
        service.rules(asking(address, names(3)))
        service.rules(asking(address, names(3)))
        assert set(logs.times_asked.values()) == {1}
        assert service.rules(asking(address, names(5))) == rule("3.0")
        assert service.rules(asking(address, names(5))) == rule("3.0")
        assert logs.times_asked["trial-0"] > 1


def test_only_the_beginning_of_a_long_log_is_asked_for(
    service: Service, logs: LogServer, address: str
) -> None:
    times: dict[str, Any] = {
        "start_time": "2026-01-01T00:00:00Z",
        "completion_time": "2026-01-01T00:10:00Z",
    }
    for name in names(3):
        logs.put(name, range(600))
    trials = [completed(name, **times) for name in names(3)]
    assert service.rules(asking(address, trials)) == rule("1.5")
    assert {request.end_time for request in logs.asked} == {"2026-01-01T00:00:37.500000Z"}
    assert set(logs.times_asked.values()) == {1}


def test_where_the_beginning_has_too_few_reports_the_whole_log_is(
    service: Service, logs: LogServer, address: str
) -> None:
    # Reports after the first minute: the collector's clock is not the cluster's.
    times: dict[str, Any] = {
        "start_time": "2025-12-31T23:50:00Z",
        "completion_time": "2026-01-01T00:00:00Z",
    }
    for name in names(3):
        logs.put(name, range(600))
    trials = [completed(name, **times) for name in names(3)]
    assert service.rules(asking(address, trials)) == rule("1.5")
    assert set(logs.times_asked.values()) == {2}


# ------------------------------------------------------- DB managers in trouble


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_db_manager_that_is_down_and_back(service: Service, logs: LogServer) -> None:
    address = f"127.0.0.1:{free_port()}"
    for step in (4, 3):
        request = asking(address, names(5), start_step=step)
        with pytest.raises(Unreachable, match=f"DB manager {address} is unreachable: .*refused"):
            service.rules(request)
        with listening(logs, address):
            assert service.rules(request) == rule("3.0", step=step)
        assert service.rules(request) == rule("3.0", step=step)  # of what is kept


def test_a_db_manager_that_is_slow_and_then_not(
    service: Service, logs: LogServer, address: str
) -> None:
    with logs.paused():  # whoever waited for the answer would wait for ever
        request = asking(address, names(5))
        with pytest.raises(
            TimedOut, match=rf"DB manager {address} did not answer within 0\.[0-4]\d* s"
        ):
            service.rules(request, Deadline.after(0.5))
    assert service.rules(request) == rule("3.0")


def test_a_db_manager_that_fails_and_then_not(
    service: Service, logs: LogServer, address: str
) -> None:
    logs.failure = (grpc.StatusCode.UNKNOWN, "no such table")
    with pytest.raises(Unreachable, match=f"{address} is unreachable: UNKNOWN: no such table"):
        service.rules(asking(address, names(5)))
    logs.failure = None
    assert service.rules(asking(address, names(5))) == rule("3.0")


def test_a_server_that_is_no_db_manager(service: Service) -> None:
    with serving("medianstop") as other, pytest.raises(Unreachable, match="UNIMPLEMENTED"):
        service.rules(asking(other.address, names(5)))


def test_a_log_that_is_too_long_is_left_out(
    service: Service, logs: LogServer, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    logs.put("trial-4", ["0" * 1_000_000] * 20)
    assert service.rules(asking(address, names(5))) == rule("2.5")
    assert f"the log of trial 'trial-4' at {address} is left out" in caplog.text


def test_a_trial_that_the_db_manager_does_not_know_has_no_log(
    service: Service, logs: LogServer, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    logs.missing = {"trial-4"}
    assert service.rules(asking(address, names(5))) == rule("2.5")
    assert f"the log of trial 'trial-4' at {address} is left out" in caplog.text
    logs.missing = set()  # it may just be late
    assert service.rules(asking(address, names(5))) == rule("3.0")


def test_what_the_db_manager_refuses_is_not_worth_another_try(
    service: Service, logs: LogServer, address: str
) -> None:
    logs.failure = (grpc.StatusCode.INVALID_ARGUMENT, "that is no name")
    with pytest.raises(Invalid, match=f"^DB manager {address} refuses the log of trial 'trial-0'"):
        service.rules(asking(address, names(5)))


def test_a_name_with_nul_is_refused(service: Service) -> None:
    request = asking("127.0.0.1:1", [completed("t\0", metric="m\0")], metric="loss\0")
    assert set(refused(service, request)) == {
        "experiment.spec.objective.objective_metric_name",
        "trials[0].name",
        "trials[0].spec.objective.objective_metric_name",
    }
    with pytest.raises(Invalid, match="trial_name must not have a NUL character"):
        service.service.set_trial_status(api.SetTrialStatusRequest(trial_name="t\0"), Call(NEVER))


def test_a_silent_db_manager_delays_only_those_who_name_it(
    server: ServerProcess, address: str
) -> None:
    stub = api_pb2_grpc.EarlyStoppingStub(server.channel)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and says nothing
        request = asking(f"127.0.0.1:{silent.getsockname()[1]}", names(5))
        calls = [stub.GetEarlyStoppingRules.future(request) for _ in range(20)]
        done: SimpleQueue[Any] = SimpleQueue()
        for call in calls:
            call.add_done_callback(done.put)
        refusals = [done.get(timeout=10) for _ in range(12)]
        reply = stub.GetEarlyStoppingRules(asking(address, names(5)), timeout=10)
        assert list(reply.early_stopping_rules) == rule("3.0")
        spec = api.EarlyStoppingSpec(algorithm_name="medianstop")
        checking = api.ValidateEarlyStoppingSettingsRequest(early_stopping=spec)
        stub.ValidateEarlyStoppingSettings(checking, timeout=10)
        for call in refusals:
            assert call.code() is grpc.StatusCode.UNAVAILABLE
            assert "8 calls wait for it already" in (call.details() or "")
        assert done.empty()
        for call in calls:
            call.cancel()


def test_a_caller_that_has_gone_is_not_waited_for(
    service: Service, logs: LogServer, address: str
) -> None:
    with pytest.raises(Cancelled):
        service.rules(asking(address, names(5)), Deadline(cancelled=lambda: True))


@pytest.mark.parametrize(
    "address",
    [
        "katib-db-manager",
        "katib-db-manager:",
        ":6789",
        "host:0",
        "host:65536",
        "host:port",
        "http://host:6789",
        "unix:/var/run/docker.sock",
        "host name:6789",
        "user@host:6789",
        "::1:6789",
        "host:6789/path",
        "höst:6789",
    ],
)
def test_a_malformed_address_is_refused(service: Service, address: str) -> None:
    with pytest.raises(Invalid) as error:
        service.rules(asking(address, names(5)))
    assert str(error.value) == f"db_manager_address must be HOST:PORT, got {address!r}"
    assert error.value.violations[0].location == ("db_manager_address",)


def test_an_address_is_required_where_logs_are(service: Service) -> None:
    with pytest.raises(Invalid, match="db_manager_address must be HOST:PORT, got ''"):
        service.rules(asking("", names(5)))


def test_a_name_that_does_not_resolve(service: Service) -> None:
    with pytest.raises(Unreachable, match=r"DB manager nowhere\.invalid:6789 is unreachable"):
        service.rules(asking("nowhere.invalid:6789", names(5)))


def test_connections_are_bounded_and_one_an_address(
    logs: LogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = grpc.insecure_channel

    def counting(address: str, options: Sequence[tuple[str, Any]]) -> grpc.Channel:
        opened.append(address)
        return connect(address, options)

    monkeypatch.setattr(grpc, "insecure_channel", counting)
    monkeypatch.setattr(reader, "_CHANNELS", 2)
    with a_service() as service, listening(logs) as a, listening(logs) as b, listening(logs) as c:
        for step in (1, 2, 3, 4):
            for address in (a, b):
                assert service.rules(asking(address, names(5), start_step=step))
        assert opened == [a, b]
        assert service.rules(asking(c, names(5)))
        assert service.rules(asking(c, names(5), start_step=2))
        assert service.rules(asking(b, names(5), start_step=5))
        assert opened == [a, b, c]
        assert service.rules(asking(a, names(5), start_step=5))
        assert opened == [a, b, c, a]


# -------------------------------------------------------- what cannot be honoured


def refused(service: Service, request: api.GetEarlyStoppingRulesRequest) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        service.rules(request)
    return {dotted(v.location): v.description for v in error.value.violations}


def test_everything_that_is_wrong_is_named_at_once(service: Service) -> None:
    request = asking("nowhere", names(5), metric="", min_trials_required=0, start_step=0)
    request.experiment.spec.objective.type = api.UNKNOWN
    path = "experiment.spec.early_stopping.algorithm_settings"
    assert refused(service, request) == {
        f"{path}[0].value": "setting 'min_trials_required' must be at least 1, got 0",
        f"{path}[1].value": "setting 'start_step' must be at least 1, got 0",
        "experiment.spec.objective.type": "objective: type must be minimize or maximize, got "
        "UNKNOWN (0)",
        "experiment.spec.objective.objective_metric_name": "objective: the objective metric name "
        "must not be empty",
        "db_manager_address": "db_manager_address must be HOST:PORT, got 'nowhere'",
    }


@pytest.mark.parametrize(
    ("algorithm", "chosen", "text"),
    [
        (
            "medianstop",
            {"min_trials_required": "0"},
            "setting 'min_trials_required' must be at least 1, got 0",
        ),
        ("medianstop", {"start_step": "0"}, "setting 'start_step' must be at least 1, got 0"),
        (
            "medianstop",
            {"start_step": "4.5"},
            "setting 'start_step' must be a whole number, got 4.5",
        ),
        (
            "medianstop",
            {"start_stepp": "4"},
            "early-stopping algorithm 'medianstop' has no setting 'start_stepp'; "
            "did you mean 'start_step'?",
        ),
        (
            "medianstop",
            {"percentile": "40"},
            "early-stopping algorithm 'medianstop' has no setting 'percentile'; "
            "it has min_trials_required, start_step",
        ),
        (
            "percentilestop",
            {"percentile": "101"},
            "setting 'percentile' must be at most 100, got 101",
        ),
        (
            "percentilestop",
            {"percentile": "-0.5"},
            "setting 'percentile' must be at least 0, got -0.5",
        ),
        (
            "asha",
            {"r_min": "1000", "brackets": "20"},
            "setting 'brackets' must be at most 14, the number of rungs up to report 2147483647, "
            "got 20",
        ),
        (
            "medianstopp",
            {},
            "early-stopping algorithm 'medianstopp' is not served here; "
            "there is asha, hyperband, medianstop, percentilestop; did you mean 'medianstop'?",
        ),
        (
            "",
            {},
            "early stopping: the algorithm name must not be empty; "
            "this server has asha, hyperband, medianstop, percentilestop",
        ),
    ],
)
def test_what_users_read(
    service: Service, algorithm: str, chosen: dict[str, str], text: str
) -> None:
    spec = api.EarlyStoppingSpec(algorithm_name=algorithm)
    for name, value in chosen.items():
        spec.algorithm_settings.add(name=name, value=value)
    request = api.ValidateEarlyStoppingSettingsRequest(early_stopping=spec)
    with pytest.raises(Invalid) as error:
        service.service.validate_early_stopping_settings(request, Call(NEVER))
    assert str(error.value) == text
    assert dotted(error.value.violations[0].location).startswith("early_stopping.algorithm_")


# ----------------------------------------------------------------- as a process


def stub(server: ServerProcess) -> api_pb2_grpc.EarlyStoppingStub:
    return api_pb2_grpc.EarlyStoppingStub(server.channel)


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with serving("medianstop", "earlystopping/asha", "--trial-status", "none") as process:
        yield process


def test_two_experiments_share_a_server(
    server: ServerProcess, logs: LogServer, address: str
) -> None:
    for name in names(5):
        logs.put(name, [10 + len(name)] * 4, metric="accuracy")
    least = asking(address, names(5))
    most = asking(address, names(5), maximize=True, metric="accuracy", start_step=2)
    most.experiment.name = "other"
    for _ in range(2):
        assert list(stub(server).GetEarlyStoppingRules(least).early_stopping_rules) == rule("3.0")
        found = stub(server).GetEarlyStoppingRules(most).early_stopping_rules
        assert list(found) == rule("17.0", api.LESS, 2, "accuracy")


def test_a_server_killed_between_calls_answers_the_same(address: str) -> None:
    replies = []
    for _ in range(2):
        with serving("medianstop") as process:
            replies.append(stub(process).GetEarlyStoppingRules(asking(address, names(5))))
            process.kill()
    assert replies[0] == replies[1]
    assert list(replies[0].early_stopping_rules) == rule("3.0")


def test_statuses_over_the_wire(server: ServerProcess, logs: LogServer, address: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(grpc.RpcError) as down:
        stub(server).GetEarlyStoppingRules(asking(nowhere, names(5)))
    assert down.value.code() is grpc.StatusCode.UNAVAILABLE
    assert nowhere in (down.value.details() or "")
    with pytest.raises(grpc.RpcError) as malformed:
        stub(server).GetEarlyStoppingRules(asking("nowhere", names(5)))
    assert malformed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with logs.paused(), pytest.raises(grpc.RpcError) as slow:
        stub(server).GetEarlyStoppingRules(asking(address, names(5)), timeout=5)
    assert slow.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert f"DB manager {address} did not answer" in (slow.value.details() or "")
    assert stub(server).GetEarlyStoppingRules(asking(address, names(5)), timeout=20)


def test_health_names(server: ServerProcess) -> None:
    for name in ("", "api.v1.beta1.EarlyStopping", "manager.v1beta1.EarlyStopping"):
        reply = server.health.Check(health_pb2.HealthCheckRequest(service=name))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_a_status_that_nobody_keeps_is_accepted(server: ServerProcess) -> None:
    stub(server).SetTrialStatus(api.SetTrialStatusRequest(trial_name="trial-0"))
    with pytest.raises(grpc.RpcError) as error:
        stub(server).SetTrialStatus(api.SetTrialStatusRequest())
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == "trial_name must have 1 to 253 characters, got 0"


# ------------------------------------------------------------ runners that ask again


def at_step(step: object, name: str = "own", condition: int = CONDITION.RUNNING) -> api.Trial:
    trial = completed(name, condition)
    trial.spec.labels[STEP_LABEL] = str(step)
    return trial


def rungs(logs: LogServer) -> list[api.Trial]:
    """Six trials: two succeeded, two were stopped at report 1, one runs, one failed."""
    conditions = (CONDITION.SUCCEEDED, CONDITION.EARLYSTOPPED, CONDITION.RUNNING)
    made = []
    for number, (values, condition) in enumerate(
        [
            ((5, 4, 3), conditions[0]),
            ((6, 5, 2), conditions[0]),
            ((8,), conditions[1]),
            ((9,), conditions[1]),
            ((4, 4, 4), conditions[2]),
            ((1, 1, 1), CONDITION.FAILED),
        ]
    ):
        logs.put(f"rung-{number}", values)
        made.append(completed(f"rung-{number}", condition))
    return made


def test_asha_over_the_wire(server: ServerProcess, logs: LogServer, address: str) -> None:
    """By report 1 the losses are 5, 6, 8, 9 and 4: with a further trial, two of six continue."""
    trials = rungs(logs)

    def rules_of(*more: api.Trial, **more_settings: Any) -> list[api.EarlyStoppingRule]:
        request = asking(address, [*trials, *more], algorithm="asha", **more_settings)
        return list(stub(server).GetEarlyStoppingRules(request).early_stopping_rules)

    assert rules_of() == rule("5.0", step=1)
    logs.put("own", [5])
    # By report 3: 3, 2 and 4; with a further one, one of four.
    assert rules_of(at_step(1)) == rule("2.0", step=3)
    logs.put("own", [5.5])
    assert rules_of(at_step(1)) == rule("5.0", step=1)
    logs.put("own", [5.5, 2.5])
    assert rules_of(at_step(2)) == rule("2.0", step=3)
    logs.put("own", [5.5, 2.5, 1.5])
    assert rules_of(at_step(3)) == rule("1.7976931348623157e+308", step=9)
    assert rules_of(at_step(0)) == rule("5.0", step=1)
    assert rules_of(at_step(0), maximize=True) == rule("8.0", api.LESS, step=1)


@pytest.mark.parametrize("algorithm", ["asha", "hyperband", "medianstop", "percentilestop"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_of_trials_does_not_matter_to_one_that_asks(
    service: Service, logs: LogServer, address: str, algorithm: str, data: st.DataObject
) -> None:
    logs.put("own", [7, 6])
    trials = [*rungs(logs), *map(completed, names(5)), at_step(2)]
    chosen: dict[str, Any] = {"r_l": 81} if algorithm == "hyperband" else {}
    expected = service.rules(asking(address, trials, algorithm=algorithm, **chosen))
    shuffled = data.draw(st.permutations(trials))
    request = asking(address, shuffled, algorithm=algorithm, **chosen)
    with a_service() as other:
        assert other.rules(request) == service.rules(request) == expected


def test_the_log_of_a_trial_that_runs_is_read_each_time(
    service: Service, logs: LogServer, address: str
) -> None:
    trials = rungs(logs)
    for value in ("5", "5.5"):
        logs.put("own", [value])
        service.rules(asking(address, [*trials, at_step(1)], algorithm="asha"))
    assert [logs.times_asked[name] for name in ("rung-0", "rung-2", "rung-4", "own")] == [
        1, 1, 2, 2,
    ]  # fmt: skip


def test_medianstop_counts_succeeded_trials_alone(
    service: Service, logs: LogServer, address: str
) -> None:
    logs.put("own", [2] * 4)
    trials = [*rungs(logs), *map(completed, names(3)), at_step(4)]
    # Averages by report 5: 4, 13/3, 1, 2 and 3.
    assert service.rules(asking(address, trials)) == rule("3.0", step=5)
    assert logs.times_asked["rung-2"] == logs.times_asked["rung-4"] == 0


def test_a_rule_that_judges_once_has_no_next_one(service: Service, address: str) -> None:
    request = asking(address, [*names(5), at_step(4)], algorithm="percentilestop")
    assert service.rules(request) == []


def test_asha_needs_no_db_manager_for_the_first_trials(service: Service) -> None:
    never = rule("1.7976931348623157e+308", step=1)
    assert service.rules(asking("", [], algorithm="asha")) == never
    with pytest.raises(Invalid, match="db_manager_address must be HOST:PORT, got ''"):
        service.rules(asking("", [at_step(0)], algorithm="asha"))


@pytest.mark.parametrize("step", ["", "-1", "1.5", "few", " 1", "2147483648", "\u0661"])
def test_a_step_that_is_none_is_refused_by_name(service: Service, address: str, step: str) -> None:
    with pytest.raises(Invalid) as caught:
        service.rules(asking(address, [*names(2), at_step(step)], algorithm="asha"))
    (violation,) = caught.value.violations
    assert violation.location == ("trials", 2, "spec", "labels", STEP_LABEL)
    assert violation.description == (
        f"label '{STEP_LABEL}' must be a whole number from 0 to 2147483647, got {step!r}"
    )


def test_one_trial_asks_at_a_time(service: Service, address: str) -> None:
    with pytest.raises(Invalid, match=r"one trial may have it, got 'a' and 'b'"):
        service.rules(asking(address, [at_step(1, "a"), at_step(2, "b")], algorithm="asha"))
    with pytest.raises(Invalid, match="must have a name"):
        service.rules(asking(address, [at_step(1, "")], algorithm="asha"))
