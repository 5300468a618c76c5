"""JSON over HTTP, against a real server: the same replies and errors as over gRPC."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.client.launch import ANY_PORT, ServerError
from tests.http.support import SUGGEST, VALIDATE, Caller, as_bytes, http_serving
from tests.support.cases import NAMES, case_of
from tests.support.certificates import issue
from tests.support.requests import (
    MIXED,
    ask_for,
    categorical,
    double,
    experiment,
    integer,
    points_of,
)
from tests.support.servers import ServerProcess, serving
from tests.support.slow import SlowCalls, slow_request

REQUEST = ask_for(experiment(), 2, 2)
DB = "/api.v1.beta1.DBManager"
PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with http_serving("--max-message-mib", "1") as found:
        yield found


def read(body: bytes) -> api.GetSuggestionsReply:
    return json_format.Parse(body, api.GetSuggestionsReply())


# --------------------------------------------------------------------- identity


@pytest.mark.parametrize("name", NAMES)
def test_the_reply_is_that_of_grpc(caller: Caller, name: str) -> None:
    case = case_of(name)
    small = [integer("x", "0", "3"), categorical("c", "a", "b")]
    message = case.experiment(MIXED) or case.experiment(small)
    assert message is not None
    for count in (1, 3):
        request = ask_for(message, count, count)
        over_grpc = caller.server.stub.GetSuggestions(request)
        answer = caller.call(SUGGEST, request)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert read(answer.body) == over_grpc
    validation = caller.call(VALIDATE, api.ValidateAlgorithmSettingsRequest(experiment=message))
    assert (validation.status, validation.document) == (200, {})


@pytest.mark.parametrize(
    "request_",
    [
        api.GetSuggestionsRequest(),
        ask_for(experiment("rando", name="")),
        ask_for(experiment("tpe", settings={"gamma": "7", "nothing": "1"})),
        ask_for(experiment("grid", [integer("x", "0", "1")]), 5, 5),
        ask_for(experiment("incomplete")),
        ask_for(experiment("broken", settings={"how": "raise"})),
        ask_for(experiment(name="ü" * 300)),
    ],
)
def test_the_error_is_that_of_grpc(caller: Caller, request_: api.GetSuggestionsRequest) -> None:
    with pytest.raises(grpc.RpcError) as error:
        caller.server.stub.GetSuggestions(request_)
    answer = caller.call(SUGGEST, request_)
    status = {"INVALID_ARGUMENT": 400, "OUT_OF_RANGE": 400, "INTERNAL": 500}
    assert answer.error["status"] == error.value.code().name
    assert answer.error["message"] == error.value.details()
    assert answer.status == answer.error["code"] == status[answer.error["status"]]


def test_violations_are_details_with_their_fields(caller: Caller) -> None:
    parameters = [double("lr", "0", "1", prior=api.LOG_UNIFORM), categorical("c")]
    answer = caller.call(SUGGEST, ask_for(experiment("rando", parameters, name="")))
    assert answer.error["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert answer.fields == [
        "experiment.name",
        "experiment.spec.parameter_specs.parameters[0].feasible_space.min",
        "experiment.spec.parameter_specs.parameters[1].feasible_space.list",
        "experiment.spec.algorithm.algorithm_name",
    ]


def test_no_violation_is_left_out(caller: Caller) -> None:
    parameters = [double(f"x{k}", "1", "0") for k in range(500)]
    answer = caller.call(SUGGEST, ask_for(experiment(parameters=parameters)))
    assert len(answer.fields) == 500


def test_the_other_services(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'log.db'}"
    with http_serving("dbmanager", "medianstop", "--database", database) as caller:
        log = {"metricLogs": [{"timeStamp": "2026-01-01T00:00:00Z"}]}
        log["metricLogs"][0]["metric"] = {"name": "loss", "value": "0.5"}  # type: ignore[assignment]
        report = {"trialName": "t", "observationLog": log}
        assert caller.call(f"{DB}/ReportObservationLog", report).document == {}
        answer = caller.call(f"{DB}/GetObservationLog", {"trialName": "t"})
        stub = api_pb2_grpc.DBManagerStub(caller.server.channel)
        over_grpc = stub.GetObservationLog(api.GetObservationLogRequest(trial_name="t"))
        assert answer.document == json_format.MessageToDict(over_grpc)
        assert answer.document["observationLog"] == log
        assert caller.call(f"{DB}/DeleteObservationLog", {"trialName": "t"}).document == {}
        settings = {"earlyStopping": {"algorithmName": "medianstop"}}
        path = "/api.v1.beta1.EarlyStopping/ValidateEarlyStoppingSettings"
        assert caller.call(path, settings).document == {}
        settings["earlyStopping"]["algorithmName"] = "medianstopp"
        assert caller.call(path, settings).fields == ["early_stopping.algorithm_name"]


# ------------------------------------------------------------------- the request


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the body is empty"),
        (b'{"experiment":\n {,}}', "line 2, column 3: expecting property name"),
        (b'{"experiment": "\xff"}', "byte 16: text must be UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"trials": [], "trials": []}', "key 'trials' is given twice in one object"),
        (b'{"currentRequestNumber": NaN}', "NaN must be in quotes"),
        (b'{"currentRequestNumber": ' + b"9" * 5000 + b"}", "4300"),
        (b"[]", "GetSuggestionsRequest: must be an object, got an array"),
    ],
)
def test_malformed_json_is_named_with_its_place(caller: Caller, body: bytes, text: str) -> None:
    answer = caller.call(SUGGEST, body, method="POST")
    assert (answer.status, answer.error["status"]) == (400, "INVALID_ARGUMENT")
    assert text in answer.error["message"]


def test_everything_unknown_or_of_the_wrong_kind_is_named_at_once(caller: Caller) -> None:
    parameter = {"name": 1, "parameterType": "FLOAT", "feasible_space": {"min": 0.1, "list": "a"}}
    spec = {
        "parameterSpecs": {"parameters": [parameter, None]},
        "objectiv": {},
        "objective": {"goal": "much"},
    }
    document: dict[str, Any] = {
        "experiment": {"spec": spec},
        "currentRequestNumber": 1.5,
        "totalRequestNumber": 2**31,
        "trials": [{"spec": {"labels": {"a": 1}}}],
    }
    answer = caller.call(SUGGEST, document)
    at = "experiment.spec.parameter_specs.parameters"
    assert answer.fields == [
        f"{at}[0].name",
        f"{at}[0].parameter_type",
        f"{at}[0].feasible_space.min",
        f"{at}[0].feasible_space.list",
        f"{at}[1]",
        "experiment.spec.objectiv",
        "experiment.spec.objective.goal",
        "current_request_number",
        "total_request_number",
        "trials[0].spec.labels['a']",
    ]
    for text in (
        f"{at}[0].feasible_space.min: must be a string, got a number: 0.1",
        "experiment.spec: unknown field 'objectiv'; did you mean 'objective'?",
        "current_request_number: must be an integer between -2147483648 and 2147483647",
    ):
        assert text in answer.error["message"]


def test_names_of_the_contract_are_taken_too(caller: Caller) -> None:
    text = json_format.MessageToJson(REQUEST, preserving_proto_field_name=True)
    assert '"current_request_number"' in text
    answer = caller.call(SUGGEST, text.encode())
    assert read(answer.body) == caller.server.stub.GetSuggestions(REQUEST)


@pytest.mark.parametrize("body", [b"{}" + b" " * 2**20, b"{}" + b" " * 2**23])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_a_large_request_is_refused(caller: Caller, body: bytes, encoding: str) -> None:
    pack = PACK.get(encoding, bytes)
    if encoding == "identity":
        body = body[: 2**20 + 2]  # of a larger one nobody reads the rest
    answer = caller.call(SUGGEST, pack(body), Content_Encoding=encoding)
    assert (answer.status, answer.error["status"]) == (413, "RESOURCE_EXHAUSTED")
    assert (
        "1048576 bytes that this server accepts; start it with a larger --max-message-mib"
        in (answer.error["message"])
    )
    assert caller.call("/healthz").status == 200


def test_a_body_without_an_end_is_cut(caller: Caller) -> None:
    """Neither its length nor its end is known: the bytes are counted as they come."""
    connection = http.client.HTTPConnection(caller.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", SUGGEST)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    chunk = b"10000\r\n" + b" " * 2**16 + b"\r\n"
    sent = 0
    with contextlib.suppress(OSError):  # the server ends the connection
        while sent < 10_000:
            connection.send(chunk)
            sent += 1
    connection.close()
    assert sent < 1000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_request(caller: Caller, encoding: str) -> None:
    pack = PACK[encoding]
    body = pack(as_bytes(REQUEST) or b"")
    assert caller.call(SUGGEST, body, Content_Encoding=encoding).status == 200
    cut = caller.call(SUGGEST, body[:-10], Content_Encoding=encoding)
    assert (cut.status, cut.error["message"]) == (
        400,
        f"the request is not valid {encoding}: it ends too early",
    )
    assert caller.call(SUGGEST, b"{}", Content_Encoding=encoding).status == 400


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        ({"Content_Type": "text/plain"}, 415, "Content-Type: must be application/json"),
        ({"Content_Type": "application/json; charset=utf-16"}, 415, "application/json in UTF-8"),
        ({"Content_Encoding": "br"}, 415, "Content-Encoding: must be gzip, deflate or identity"),
        ({"X_Request_Timeout": "soon"}, 400, "X-Request-Timeout: must be a time like 5s"),
        ({"Grpc_Timeout": "5s"}, 400, "Grpc-Timeout: must be digits and one of H, M, S, m, u, n"),
    ],
)
def test_a_header_that_cannot_be_honoured_is_named(
    caller: Caller, headers: dict[str, Any], status: int, text: str
) -> None:
    answer = caller.call(SUGGEST, REQUEST, **headers)
    assert (answer.status, answer.error["status"]) == (status, "INVALID_ARGUMENT")
    assert text in answer.error["message"]


def test_unknown_paths_and_methods(caller: Caller) -> None:
    missing = caller.call("/api.v1.beta1.Suggestion/Nothing", REQUEST)
    assert (missing.status, missing.error["status"]) == (404, "NOT_FOUND")
    assert "GET /openapi.json" in missing.error["message"]
    other = caller.call(SUGGEST)
    assert (other.status, other.error["status"]) == (405, "UNIMPLEMENTED")
    assert other.headers["Allow"] == "POST"


# --------------------------------------------------------------------- deadlines


@pytest.mark.parametrize("headers", [{"X_Request_Timeout": "300ms"}, {"Grpc_Timeout": "300m"}])
@pytest.mark.parametrize("obstinate", ["false", "true"])
def test_an_expired_call_ends(headers: dict[str, Any], obstinate: str) -> None:
    with http_serving("slow", "--grace", "0") as caller:
        answer = caller.call(SUGGEST, slow_request(20, obstinate=obstinate), **headers)
        _, log = caller.server.stop()
    assert (answer.status, answer.error["status"]) == (504, "DEADLINE_EXCEEDED")
    assert "GetSuggestions did not finish before the call's deadline" in answer.error["message"]
    assert re.findall(r"outcome=(\w+)", log) == ["DEADLINE_EXCEEDED"]


def test_a_body_that_is_slow_to_come_is_too_late(caller: Caller) -> None:
    connection = http.client.HTTPConnection(caller.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", SUGGEST)
    for name, value in {
        "Content-Type": "application/json",
        "Content-Length": "10",
        "X-Request-Timeout": "0.2",
    }.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    assert connection.getresponse().status == 504
    connection.close()


def test_a_caller_who_goes_frees_the_worker(slow_calls: SlowCalls) -> None:
    servers = http_serving("slow", "random", "--workers", "1", environment=slow_calls.environment)
    with servers as caller:
        for _ in range(3):
            connection = http.client.HTTPConnection(caller.url.removeprefix("http://"), timeout=60)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", SUGGEST, as_bytes(slow_request()), headers)
            slow_calls.begun()
            connection.close()
        # The only worker is free again, or this call would wait for half an hour.
        assert caller.call(SUGGEST, REQUEST, timeout=30).status == 200
        status, log = caller.server.stop()
    assert status == 0
    assert log.count("outcome=CANCELLED") == 3


# ---------------------------------------------------------------- health, draining


def test_health(caller: Caller) -> None:
    for path in ("/healthz", "/readyz"):
        answer = caller.call(path)
        assert (answer.status, answer.document) == (200, {"status": "SERVING"})


def test_a_body_that_is_no_http_is_no_bug(caller: Caller) -> None:
    host, port = caller.url.removeprefix("http://").rstrip("/").split(":")
    for path in (SUGGEST, "/nothing"):
        with socket.create_connection((host, int(port)), 30) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head.encode() + b"zz\r\n")
            assert connection.recv(9) == b"HTTP/1.1 "
    assert caller.call(SUGGEST, REQUEST).status == 200  # what came before has been logged
    assert "LocalProtocolError" not in caller.server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals, slow_calls: SlowCalls) -> None:
    servers = http_serving("slow", "random", environment=slow_calls.environment)
    with servers as caller, ThreadPoolExecutor(1) as pool:
        call = pool.submit(caller.call, SUGGEST, slow_request())
        slow_calls.begun()
        caller.server.process.send_signal(number)
        deadline = time.monotonic() + 30
        while caller.call("/readyz").status == 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        ready = caller.call("/readyz")
        assert (ready.status, ready.document) == (503, {"status": "NOT_SERVING"})
        assert caller.call("/healthz").status == 200
        late = caller.call(SUGGEST, REQUEST)
        assert (late.status, late.error["status"]) == (503, "UNAVAILABLE")
        assert late.error["message"] == "this server is shutting down"
        assert not call.done()
        slow_calls.end()
        answer = call.result()
        assert answer.status == 200
        assert len(points_of(read(answer.body))) == 1
        assert caller.server.process.wait(timeout=20) == 0
        assert "Traceback" not in caller.server.log()


@pytest.mark.parametrize("obstinate", ["false", "true"])
def test_the_grace_period_ends_what_does_not_finish(obstinate: str, slow_calls: SlowCalls) -> None:
    servers = http_serving("slow", "--grace", "0.3", environment=slow_calls.environment)
    with servers as caller, ThreadPoolExecutor(1) as pool:
        call = pool.submit(caller.call, SUGGEST, slow_request(obstinate=obstinate))
        slow_calls.begun()
        caller.server.process.terminate()
        answer = call.result()
        assert (answer.status, answer.error["status"]) == (503, "UNAVAILABLE")
        assert "did not finish within its grace period" in answer.error["message"]
        assert caller.server.process.wait(timeout=30) == 0


def test_the_last_reply_is_sent_to_its_end(slow_calls: SlowCalls) -> None:
    parameters = [double(f"{'x' * 15}{k}", "0", "1") for k in range(20)]
    message = experiment("slow", parameters, settings={"seconds": "60"})
    servers = http_serving("slow", "--grace", "120", environment=slow_calls.environment)
    with servers as caller, ThreadPoolExecutor(1) as pool:
        call = pool.submit(caller.call, SUGGEST, ask_for(message, 5000, 5000), timeout=120)
        slow_calls.begun()
        caller.server.process.terminate()
        slow_calls.end()
        answer = call.result()
        assert caller.server.process.wait(timeout=60) == 0
    assert len(json.loads(answer.body)["parameterAssignments"]) == 5000


def test_many_callers_at_once(caller: Caller) -> None:
    def ask(number: int) -> bytes:
        return caller.call(SUGGEST, ask_for(experiment(name=f"exp-{number}"), 3, 3)).body

    done = threading.Event()
    statuses: list[int] = []

    def probe() -> None:
        while not done.wait(0.02):
            statuses.append(caller.call("/healthz", timeout=10).status)

    prober = threading.Thread(target=probe)
    prober.start()
    with ThreadPoolExecutor(16) as pool:
        at_once = list(pool.map(ask, range(64)))
    done.set()
    prober.join()
    assert set(statuses) == {200}
    assert at_once == [ask(number) for number in range(64)]


# ------------------------------------------------------------------------- start


def test_the_banner_names_every_address() -> None:
    with http_serving("random", "medianstop") as caller:
        assert caller.server.banner.startswith("serving random on 127.0.0.1:")
        assert caller.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("address", ["8080", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(
        ServerError, match="address: must be HOST:PORT with a port from 0 to 65535, got"
    ):
        ServerProcess("random", SUGGEST_HTTP_ADDRESS=address)


def test_a_service_without_a_descriptor_is_named() -> None:
    with serving("undescribed"):  # over gRPC it needs none
        pass
    text = r"method 'somebody.Undescribed.Do': --http-address needs its protobuf descriptor"
    with pytest.raises(ServerError, match=text):
        ServerProcess("undescribed", SUGGEST_HTTP_ADDRESS=ANY_PORT)


def test_a_port_in_use_is_named(caller: Caller) -> None:
    taken = caller.url.removeprefix("http://")
    with pytest.raises(
        ServerError, match=f"cannot listen on {taken}: another program listens there"
    ):
        ServerProcess("random", SUGGEST_HTTP_ADDRESS=taken)


# ----------------------------------------------------------------------- TLS, curl


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issue(tmp_path_factory.mktemp("tls"), "127.0.0.1")


def test_mutual_tls(certificates: Path) -> None:
    arguments = [
        f"--tls-cert={certificates / 'server.pem'}",
        f"--tls-key={certificates / 'server.key'}",
        f"--tls-client-ca={certificates / 'ca.pem'}",
    ]
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    with http_serving("random", *arguments, tls=context) as caller:
        assert caller.url.startswith("https://")
        with pytest.raises(OSError):  # noqa: PT011  (an alert, or the connection's end)
            caller.call(SUGGEST, REQUEST)
        context.load_cert_chain(certificates / "client.pem", certificates / "client.key")
        assert caller.call(SUGGEST, REQUEST).status == 200


def test_tls_and_a_key_that_is_none(certificates: Path) -> None:
    arguments = [f"--tls-cert={certificates / 'server.pem'}"]
    key = f"--tls-key={certificates / 'server.key'}"
    context = ssl.create_default_context(cafile=certificates / "ca.pem")
    with http_serving("random", *arguments, key, tls=context) as caller:
        assert caller.call(SUGGEST, REQUEST).status == 200


def test_curl(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(as_bytes(REQUEST) or b"")
    done = subprocess.run(
        ["curl", "-sS", "--json", f"@{file}", caller.url + SUGGEST],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert read(done.stdout) == caller.server.stub.GetSuggestions(REQUEST)
