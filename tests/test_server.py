"""The server, over a real socket: statuses, health, reflection, TLS, limits, draining."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.client.ask_tell import AskTell
from suggestion.client.launch import ServerError
from suggestion.client.transports import OverGrpc
from tests.support.certificates import issue
from tests.support.requests import (
    ask_for,
    categorical,
    double,
    experiment,
    integer,
    points_of,
    trial,
)
from tests.support.servers import ServerProcess, serving
from tests.support.slow import SlowCalls, slow_request

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = ("", "manager.v1beta1.Suggestion", "api.v1.beta1.Suggestion")


def code_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> grpc.StatusCode:
    return error.value.code()


def details_of(error: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    return error.value.details() or ""


# --------------------------------------------------------------------- statuses


def test_suggestions_come_over_the_wire(server: ServerProcess) -> None:
    reply = server.stub.GetSuggestions(ask_for(experiment(), 3, 3))
    assert len(points_of(reply)) == 3
    server.stub.ValidateAlgorithmSettings(
        api.ValidateAlgorithmSettingsRequest(experiment=experiment())
    )


def test_violations_come_as_text_and_as_details(server: ServerProcess) -> None:
    message = experiment(
        "rando", [double("lr", "0", "1", prior=api.LOG_UNIFORM), categorical("c")], name=""
    )
    request = api.ValidateAlgorithmSettingsRequest(experiment=message)
    with pytest.raises(grpc.RpcError) as error:
        server.stub.ValidateAlgorithmSettings(request)
    assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT
    text = details_of(error)
    for part in (
        "experiment name must not be empty",
        "parameter 'lr': logUniform needs min > 0, got min = 0",
        "parameter 'c': list must not be empty",
        "algorithm 'rando' is not served here; there is ",
        "did you mean 'random'?",
    ):
        assert part in text
    status = rpc_status.from_call(error.value)  # type: ignore[arg-type]  # a Call as well
    assert status is not None
    details = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(details)
    assert [violation.field for violation in details.field_violations] == [
        "experiment.name",
        "experiment.spec.parameter_specs.parameters[0].feasible_space.min",
        "experiment.spec.parameter_specs.parameters[1].feasible_space.list",
        "experiment.spec.algorithm.algorithm_name",
    ]


def test_hundreds_of_violations_still_fit_into_an_error(server: ServerProcess) -> None:
    message = experiment(parameters=[double(f"ü{k}" * 50, "1", "0") for k in range(500)])
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(ask_for(message))
    assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert "min must not exceed max" in details_of(error)
    assert re.search(r"and \d+ more$", details_of(error))


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (api.GetSuggestionsRequest(), "experiment name must not be empty"),
        (
            api.GetSuggestionsRequest(
                experiment=api.Experiment(name="e"), current_request_number=1
            ),
            "the search space must have at least one parameter",
        ),
        (ask_for(experiment(), 0), "current_request_number must be between 1 and 10000, got 0"),
        (ask_for(experiment(), -5), "must be between 1 and 10000, got -5"),
        (ask_for(experiment(), 10_001), "must be between 1 and 10000, got 10001"),
        (
            ask_for(experiment("")),
            "algorithm: the algorithm name must not be empty; this server has ",
        ),
        (
            ask_for(experiment(settings=[("seed", "1"), ("seed", "1")])),
            "setting 'seed' is given twice; keep one",
        ),
        (ask_for(experiment(name="x" * 10**6)), "at most 253 characters, got 1000000"),
        (
            ask_for(experiment(parameters=[integer("x" * 10**6, "0", "1")])),
            "name must have at most 253 characters, got 1000000",
        ),
        (ask_for(experiment("y" * 10**6)), "is not served here; there is"),
        (
            ask_for(experiment("grid", [double("x", "0", "1")])),
            "parameter 'x': algorithm 'grid' needs a step for a double, got none",
        ),
        (
            ask_for(experiment("grid", [integer("x", "0", "11")], max_trials=13)),
            "max_trial_count must not exceed the 12 points of the grid, got 13",
        ),
        (
            ask_for(experiment("sobol", [integer(f"x{k}", "0", "1") for k in range(1025)])),
            "algorithm 'sobol' takes at most 1024 parameters, got 1025; use 'random'",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    server: ServerProcess, request_: api.GetSuggestionsRequest, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(request_)
    assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert text in details_of(error)
    assert points_of(server.stub.GetSuggestions(ask_for(experiment())))


def test_out_of_space_and_repeated_trials_are_no_error(server: ServerProcess) -> None:
    trials = [trial("a", {"gone": "1"}, "1"), trial("a", {"lr": "0.1"}, "2"), trial("a", {})]
    for name in ("random", "grid", "sobol"):
        parameters = [integer("n", "0", "99")]
        reply = server.stub.GetSuggestions(ask_for(experiment(name, parameters), 2, 5, trials * 2))
        assert len(points_of(reply)) == 2


def test_the_grid_says_when_it_is_used_up(server: ServerProcess) -> None:
    message = experiment("grid", [integer("x", "0", "11")])
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(ask_for(message, 1, 13))
    assert code_of(error) is grpc.StatusCode.OUT_OF_RANGE
    assert details_of(error) == "the grid of 12 points is used up"
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(ask_for(message, 5, 14))
    assert code_of(error) is grpc.StatusCode.OUT_OF_RANGE
    assert details_of(error) == (
        "the grid has 3 of its 12 points left, 5 were requested; request at most 3, or set "
        "max_trial_count to 12"
    )
    assert len(points_of(server.stub.GetSuggestions(ask_for(message, 3, 12)))) == 3


def test_a_grid_of_a_trillion_points_costs_nothing(server: ServerProcess) -> None:
    message = experiment("grid", [integer(f"p{k}", "0", "9") for k in range(12)])
    # A walk to the billionth point would take many minutes on any machine.
    reply = server.stub.GetSuggestions(ask_for(message, 100, 10**9), timeout=60)
    assert len({tuple(p.values()) for p in points_of(reply)}) == 100


def _raw(server: ServerProcess, method: str, data: bytes) -> grpc.RpcError:
    call = server.channel.unary_unary(f"/api.v1.beta1.Suggestion/{method}", None, None)
    with pytest.raises(grpc.RpcError) as error:
        call(data)
    return error.value


@pytest.mark.parametrize(
    "data", [b"\xff\xff", b"\x0a\x04\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f"]
)
@pytest.mark.parametrize("method", ["GetSuggestions", "ValidateAlgorithmSettings"])
def test_malformed_bytes_are_refused(server: ServerProcess, method: str, data: bytes) -> None:
    error = _raw(server, method, data)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not a valid api.v1.beta1." in (error.details() or "")


def test_an_unknown_method_is_unimplemented(server: ServerProcess) -> None:
    assert _raw(server, "GetMoney", b"").code() is grpc.StatusCode.UNIMPLEMENTED


def test_messages_up_to_the_limit() -> None:
    padded = [trial(f"t{k}", {"pad": "x" * 10_000}, "1") for k in range(1000)]
    request = ask_for(experiment(), 1, 1001, padded)
    assert request.ByteSize() > 10 * 10**6
    with serving("random", "--max-message-mib", "12") as server:
        assert points_of(server.stub.GetSuggestions(request))
        request.trials.extend(padded[:500])
        with pytest.raises(grpc.RpcError) as error:
            server.stub.GetSuggestions(request)
        assert code_of(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "start it with a larger --max-message-mib" in details_of(error)
        request.trials.extend(padded * 2)
        with pytest.raises(grpc.RpcError) as error:
            server.stub.GetSuggestions(request)
        assert code_of(error) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert points_of(server.stub.GetSuggestions(ask_for(experiment())))


# ------------------------------------------------- algorithms by somebody else


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("few", "algorithm 'broken' returned 2 suggestions, 3 were asked for"),
        ("many", "algorithm 'broken' returned 4 suggestions, 3 were asked for"),
        ("outside", "algorithm 'broken' left the search space with"),
        ("type", "algorithm 'broken' left the search space with"),
        ("missing", "algorithm 'broken' left the search space with"),
        ("repeat", "algorithm 'broken' repeated 2 of 3 points, among them \"{'"),
        ("name", "algorithm 'broken' named a trial 'Not_A_Label': not a DNS label"),
        ("names", "algorithm 'broken' gave several trials one name: '"),
        ("raise", "a bug in this server: ZeroDivisionError: as promised"),
    ],
)
def test_a_broken_promise_does_not_leave_the_server(
    server: ServerProcess, how: str, text: str
) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(ask_for(experiment("broken", settings={"how": how}), 3))
    assert code_of(error) is grpc.StatusCode.INTERNAL
    assert text in details_of(error)


def test_an_algorithm_without_its_packages_is_named(server: ServerProcess) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(ask_for(experiment("incomplete")))
    assert code_of(error) is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(error) == (
        "algorithm 'incomplete' needs the package 'a_package_that_is_not_installed', which is not "
        "installed on this server"
    )


# ------------------------------------------------------------ health, reflection


@pytest.mark.parametrize("name", NAMES)
def test_health_answers_for_every_name(server: ServerProcess, name: str) -> None:
    assert server.health.Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING


def test_health_does_not_know_other_names(server: ServerProcess) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.health.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert code_of(error) is grpc.StatusCode.NOT_FOUND
    text = "service: must be empty or one of api.v1.beta1.Suggestion, "
    assert details_of(error).startswith(text)
    assert details_of(error).endswith(", got 'nothing'")


def test_reflection_describes_the_service(server: ServerProcess) -> None:
    database = ProtoReflectionDescriptorDatabase(server.channel)
    assert {"api.v1.beta1.Suggestion", "grpc.health.v1.Health"} <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName("api.v1.beta1.Suggestion")
    assert {m.name for m in service.methods} == {"GetSuggestions", "ValidateAlgorithmSettings"}


def test_health_answers_while_every_worker_is_busy() -> None:
    with serving("slow", "--workers", "1") as server:
        busy = [server.stub.GetSuggestions.future(slow_request(1)) for _ in range(2)]
        answered = 0
        while not busy[0].done():
            request = health_pb2.HealthCheckRequest(service=NAMES[1])
            assert server.health.Check(request, timeout=5).status == SERVING
            answered += 1
        assert answered >= 5
        for call in busy:
            assert len(call.result().parameter_assignments) == 1


# ------------------------------------------------------------------ many clients


def test_32_clients_at_once(server: ServerProcess) -> None:
    checks: list[int] = []
    done = threading.Event()

    def probe() -> None:
        with grpc.insecure_channel(server.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while not done.wait(0.02):
                checks.append(stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status)

    def client(number: int) -> list[dict[str, str]]:
        message = experiment(("random", "sobol")[number % 2], name=f"exp-{number}")
        options = [("grpc.use_local_subchannel_pool", 1)]
        with OverGrpc(server.address, options=options) as remote:
            loop = AskTell(message, remote)
            for _ in range(10):
                for asked in loop.ask(3):
                    loop.tell(asked, 1.0)
        return [dict(made.assignment) for made in loop.trials]

    prober = threading.Thread(target=probe)
    prober.start()
    with ThreadPoolExecutor(32) as pool:
        at_once = list(pool.map(client, range(32)))
    done.set()
    prober.join()
    assert checks
    assert set(checks) == {SERVING}
    for number, points in enumerate(at_once):
        assert len(points) == 30
        assert len({tuple(p.values()) for p in points}) == 30
        assert points == client(number), "the same as alone"


# ----------------------------------------------------- deadlines and cancelling


def test_an_expired_call_ends(server: ServerProcess) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.stub.GetSuggestions(slow_request(), timeout=0.3)
    assert code_of(error) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert points_of(server.stub.GetSuggestions(ask_for(experiment())))


def test_a_cancelled_call_stops_computing(slow_calls: SlowCalls) -> None:
    # What it kept of a call would hold its end up for the grace period.
    limits = ("--workers", "1", "--grace", "600")
    with serving("slow", "random", *limits, **slow_calls.environment) as server:
        calls = [server.stub.GetSuggestions.future(slow_request()) for _ in range(5)]
        slow_calls.begun()
        # The others, which wait, came before this one, by the same connection.
        server.health.Check(health_pb2.HealthCheckRequest(), timeout=30)
        for call in calls:
            call.cancel()
        # The only worker is free again, or this call would wait for fifty minutes.
        assert points_of(server.stub.GetSuggestions(ask_for(experiment()), timeout=30))
        status, log = server.stop()
    assert status == 0
    assert log.count("outcome=CANCELLED") == 5


# --------------------------------------------------------------------- draining


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals, slow_calls: SlowCalls) -> None:
    with serving("slow", "random", **slow_calls.environment) as server:
        watch = server.health.Watch(health_pb2.HealthCheckRequest(service=NAMES[1]))
        assert next(watch).status == SERVING
        call = server.stub.GetSuggestions.future(slow_request())
        slow_calls.begun()
        server.process.send_signal(number)
        assert next(watch).status == NOT_SERVING
        with pytest.raises(grpc.RpcError) as error:
            server.stub.GetSuggestions(ask_for(experiment()))
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE
        assert "shutting down" in details_of(error)
        assert not call.done()
        slow_calls.end()
        assert len(call.result().parameter_assignments) == 1
        assert server.process.wait(timeout=20) == 0
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("obstinate", ["false", "true"])
def test_the_grace_period_ends_what_does_not_finish(obstinate: str, slow_calls: SlowCalls) -> None:
    with serving("slow", "--grace", "0.3", **slow_calls.environment) as server:
        call = server.stub.GetSuggestions.future(slow_request(obstinate=obstinate))
        slow_calls.begun()
        server.process.terminate()
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        said = "this server is shutting down, and GetSuggestions did not finish within its grace"
        assert call.details().startswith(said)
        assert server.process.wait(timeout=30) == 0
        assert "outcome=UNAVAILABLE" in server.log()


@pytest.mark.integration
@pytest.mark.parametrize("go_on", [False, True])
def test_a_signal_among_many_calls(go_on: bool) -> None:
    """Never CANCELLED, which clients do not repeat."""
    outcomes: list[grpc.StatusCode] = []

    def load(server: ServerProcess, answered: threading.Semaphore) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server.address, options=options) as channel:
            stub = api_pb2_grpc.SuggestionStub(channel)
            while True:
                try:
                    stub.GetSuggestions(ask_for(experiment(), 5), timeout=60)
                except grpc.RpcError as error:
                    outcomes.append(error.code())
                    if not go_on or "shutting down" not in (error.details() or ""):
                        return
                else:
                    outcomes.append(grpc.StatusCode.OK)
                    answered.release()

    for _ in range(4):
        answered = threading.Semaphore(0)
        with serving("random") as server, ThreadPoolExecutor(6) as pool:
            loads = [pool.submit(load, server, answered) for _ in range(6)]
            for _ in range(12):
                assert answered.acquire(timeout=60)
            server.process.send_signal(signal.SIGTERM)
            for each in loads:
                each.result(timeout=60)
            assert server.process.wait(timeout=20) == 0
    assert set(outcomes) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_the_last_reply_is_sent_to_its_end(slow_calls: SlowCalls) -> None:
    with serving("slow", **slow_calls.environment) as server:
        parameters = [double(f"{'x' * 15}{k}", "0", "1") for k in range(20)]
        message = experiment("slow", parameters, settings={"seconds": "60"})
        call = server.stub.GetSuggestions.future(ask_for(message, 10_000, 10_000), timeout=120)
        slow_calls.begun()
        server.process.terminate()
        slow_calls.end()
        reply = call.result()
        assert server.process.wait(timeout=30) == 0
    assert len(reply.parameter_assignments) == 10_000
    assert reply.ByteSize() > 5_000_000


# -------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, and a certificate for a server and one for a client."""
    return issue(tmp_path_factory.mktemp("tls"), "127.0.0.1", "suggest.example.com")


def _secure_call(server: ServerProcess, folder: Path, client: bool) -> api.GetSuggestionsReply:
    read = [(folder / name).read_bytes() for name in ("ca.pem", "client.key", "client.pem")]
    credentials = grpc.ssl_channel_credentials(*(read if client else read[:1]))
    with grpc.secure_channel(server.address, credentials) as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        reply: api.GetSuggestionsReply = stub.GetSuggestions(ask_for(experiment()), timeout=10)
        return reply


def test_tls(certificates: Path) -> None:
    arguments = [
        f"--tls-cert={certificates / 'server.pem'}",
        f"--tls-key={certificates / 'server.key'}",
    ]
    with serving("random", *arguments) as server:
        assert points_of(_secure_call(server, certificates, client=False))
        with pytest.raises(grpc.RpcError) as error:
            server.stub.GetSuggestions(ask_for(experiment()), timeout=5)  # plaintext
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE


def test_mutual_tls(certificates: Path) -> None:
    environment = {
        "SUGGEST_TLS_CERT": str(certificates / "server.pem"),
        "SUGGEST_TLS_KEY": str(certificates / "server.key"),
        "SUGGEST_TLS_CLIENT_CA": str(certificates / "ca.pem"),
    }
    with serving("random", **environment) as server:
        assert points_of(_secure_call(server, certificates, client=True))
        with pytest.raises(grpc.RpcError) as error:
            _secure_call(server, certificates, client=False)
        assert code_of(error) is grpc.StatusCode.UNAVAILABLE


def test_the_command_health_speaks_tls(certificates: Path) -> None:
    environment = {
        "SUGGEST_TLS_CERT": str(certificates / "server.pem"),
        "SUGGEST_TLS_KEY": str(certificates / "server.key"),
        "SUGGEST_TLS_CLIENT_CA": str(certificates / "ca.pem"),
    }
    with serving("random", **environment) as server:

        def health(*arguments: str) -> int:
            command = [sys.executable, "-m", "suggestion", "health", server.address]
            given = [*command, "--timeout", "10", *arguments]
            return subprocess.run(given, check=False, capture_output=True).returncode

        ca = f"--tls-ca={certificates / 'ca.pem'}"
        own = [f"--tls-key={certificates / 'client.key'}"]
        own.append(f"--tls-cert={certificates / 'client.pem'}")
        assert health(ca, *own) == 0
        assert health(ca, *own, "--tls-name", "suggest.example.com") == 0
        assert health(ca, *own, "--tls-name", "elsewhere") == 1
        assert health(ca) == 1
        assert health(*own) == 2
        assert health(ca, own[0]) == 2


# -------------------------------------------------------------------------- log


def test_a_call_is_one_line_of_text() -> None:
    with serving("random") as server:
        server.stub.GetSuggestions(ask_for(experiment(name="my exp"), 2, 2))
        with pytest.raises(grpc.RpcError):
            server.stub.GetSuggestions(ask_for(experiment(), 0))
        status, log = server.stop()
    assert status == 0
    lines = [line for line in log.splitlines() if "GetSuggestions" in line]
    assert len(lines) == 2
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO GetSuggestions experiment="my exp" '
        r"algorithm=random trials=0 count=2 ms=\d+\.\d outcome=OK",
        lines[0],
    )
    assert 'message="current_request_number must be' in lines[1]
    assert lines[1].endswith("outcome=INVALID_ARGUMENT")


def test_a_line_says_what_the_trials_were_to_the_algorithm() -> None:
    request = ask_for(experiment("tpe", [double("x", "0", "1")]), 1, 20)
    for name, value, metric, condition in [
        ("a", "0.1", "loss", api.TrialStatus.SUCCEEDED),
        ("b", "0.2", "loss", api.TrialStatus.SUCCEEDED),
        ("c", "0.3", "losss", api.TrialStatus.SUCCEEDED),
        ("d", "0.4", "", api.TrialStatus.RUNNING),
        ("e", "7", "loss", api.TrialStatus.SUCCEEDED),
    ]:
        trial = request.trials.add(name=name)
        trial.spec.parameter_assignments.assignments.add(name="x", value=value)
        trial.spec.parameter_assignments.assignments.add(name="y", value="1")
        trial.status.condition = condition
        if metric:
            trial.status.observation.metrics.add(name=metric, value="1")
    with serving("tpe") as server:
        server.stub.GetSuggestions(request)
        _, log = server.stop()
    assert "trials=5 count=1 observations=2 pending=1 failed=1 out_of_space=0 ms=" in log


def test_a_call_is_one_json_object() -> None:
    with serving("random", "--log-format", "json") as server:
        server.stub.GetSuggestions(ask_for(experiment(), 2, 2))
        _, log = server.stop()
    entry = next(e for e in map(json.loads, log.splitlines()) if e["event"] == "GetSuggestions")
    ms = entry.pop("ms")
    assert ms > 0
    entry.pop("time")
    assert entry == {
        "level": "INFO",
        "event": "GetSuggestions",
        "method": "GetSuggestions",
        "experiment": "exp",
        "algorithm": "random",
        "trials": 0,
        "count": 2,
        "outcome": "OK",
    }


# ------------------------------------------------------------------------ start


def test_a_port_in_use_is_named(server: ServerProcess) -> None:
    with pytest.raises(ServerError, match=f"cannot listen on {server.address}"):
        ServerProcess("random", address=server.address)


def test_an_algorithm_that_is_not_installed_is_named() -> None:
    with pytest.raises(ServerError, match="nothing called 'rando' can be served; there is"):
        ServerProcess("rando")


def test_only_the_named_algorithms_are_served() -> None:
    with serving("random", "sobol") as server:
        assert server.banner.startswith("serving random, sobol on 127.0.0.1:")
        with pytest.raises(grpc.RpcError, match="'grid' is not served here; there is random, sob"):
            server.stub.GetSuggestions(ask_for(experiment("grid")))


def test_a_server_imports_only_what_its_algorithm_needs() -> None:
    with serving("random", PYTHONPROFILEIMPORTTIME="1") as server:
        assert points_of(server.stub.GetSuggestions(ask_for(experiment())))
        _, log = server.stop()
    loaded = {
        line.rpartition("|")[2].strip() for line in log.splitlines() if "import time:" in line
    }
    assert {"numpy", "suggestion.algorithms.random.algorithm"} <= loaded
    for name in ("scipy", "optuna", "yaml", "rich", "numpy.random", "grpc_reflection.v1alpha"):
        assert name not in loaded, name
    others = {
        n
        for n in loaded
        if n.startswith("suggestion.algorithms.") and "suggestion.algorithms.random" not in n
    }
    assert not others
