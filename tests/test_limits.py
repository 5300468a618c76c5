"""Limits of a real server: of calls, their time, their size; what a caller is told past them."""

from __future__ import annotations

import gzip
import os
import queue
import re
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.channels import open_channel
from tests.support import http2
from tests.support.requests import ask_for, double, experiment, points_of, trial
from tests.support.servers import ServerProcess, serving
from tests.support.slow import slow_request

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
OK = grpc.StatusCode.OK
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
NAMES = ("", "manager.v1beta1.Suggestion", "api.v1.beta1.Suggestion")
SUGGEST = "/api.v1.beta1.Suggestion/GetSuggestions"
VALIDATE = "/api.v1.beta1.Suggestion/ValidateAlgorithmSettings"
CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def failure(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code(), error.value.details() or ""


def validation(message: api.Experiment) -> api.ValidateAlgorithmSettingsRequest:
    return api.ValidateAlgorithmSettingsRequest(experiment=message)


def suggest_health(address: str) -> int:
    command = [sys.executable, "-m", "suggestion", "health", address]
    return subprocess.run(command, check=False, capture_output=True, timeout=60).returncode


@contextmanager
def second(server: ServerProcess) -> Iterator[api_pb2_grpc.SuggestionStub]:
    """A further connection to a server."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with open_channel(server.address, options=options) as channel:
        yield api_pb2_grpc.SuggestionStub(channel)


# ------------------------------------------------------------ calls that do not end


@pytest.mark.integration
def test_calls_that_never_end_delay_nobody_and_then_health_says_so() -> None:
    with serving("slow", "random", "--workers", "2") as server:
        watch = server.health.Watch(health_pb2.HealthCheckRequest(service=NAMES[1]), timeout=120)
        assert next(watch).status == SERVING
        never = slow_request(600, obstinate="true")
        for _ in range(2):  # both workers, which are replaced
            code, _ = failure(lambda: server.stub.GetSuggestions(never, timeout=0.2))
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert points_of(server.stub.GetSuggestions(ask_for(experiment()), timeout=30))
        long = slow_request(15, obstinate="true")
        for _ in range(2):  # those that took their places, which are not
            failure(lambda: server.stub.GetSuggestions(long, timeout=0.2))
        assert next(watch).status == NOT_SERVING
        for name in NAMES:
            request = health_pb2.HealthCheckRequest(service=name)
            assert server.health.Check(request, timeout=10).status == NOT_SERVING
        assert next(watch).status == SERVING, "two of them have come back"
        assert points_of(server.stub.GetSuggestions(ask_for(experiment()), timeout=30))


def test_no_call_takes_longer_than_the_longest() -> None:
    with serving("slow", "--max-deadline", "1") as server:
        for timeout in (None, 600):
            call = partial(server.stub.GetSuggestions, slow_request(600), timeout=timeout)
            code, text = failure(call)
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
            assert "at most 1 s on this server; a larger --max-deadline allows more" in text


# ----------------------------------------------------------------- how many calls


def test_more_calls_than_there_may_be_are_refused_at_once() -> None:
    with serving("slow", "--max-calls", "2") as server, ExitStack() as connections:
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        calls = []
        for _ in range(3):
            stub = connections.enter_context(second(server))
            calls.append(stub.GetSuggestions.future(slow_request(600)))
            calls[-1].add_done_callback(ended.put)
        refused = ended.get(timeout=60)
        assert refused.code() is RESOURCE_EXHAUSTED
        assert "2 calls in flight" in refused.details()
        assert "--max-calls" in refused.details()
        assert suggest_health(server.address) == 0, "health has limits of its own"
        asked = validation(experiment())
        code, text = failure(lambda: server.stub.ValidateAlgorithmSettings(asked, timeout=60))
        assert code is grpc.StatusCode.UNAVAILABLE, "which is tried again, and no yes"
        assert "2 calls in flight" in text
        for call in calls:
            call.cancel()
        _, log = server.stop()
    assert "outcome=RESOURCE_EXHAUSTED" in log


def test_calls_of_one_connection_wait_for_each_other() -> None:
    with serving("random", "--max-calls", "20") as server:
        calls = [
            server.stub.GetSuggestions.future(ask_for(experiment()), timeout=60) for _ in range(300)
        ]
        assert Counter(call.code() for call in calls) == {OK: 300}


# -------------------------------------------------------------------- compression


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    database = f"sqlite:///{tmp_path_factory.mktemp('small')}/observations.db"
    names = ("random", "dbmanager", "medianstop")
    with serving(*names, "--database", database, "--max-message-mib", "1") as process:
        yield process


COMPRESSIONS = [grpc.Compression.Gzip, grpc.Compression.Deflate]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_compressed_request_is_served(
    server: ServerProcess, compression: grpc.Compression
) -> None:
    trials = [trial(f"t{k}", {"lr": "0.01"}, "1") for k in range(1000)]
    request = ask_for(experiment(), 3, 1003, trials)
    plain = server.stub.GetSuggestions(request)
    assert server.stub.GetSuggestions(request, compression=compression) == plain


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (SUGGEST, RESOURCE_EXHAUSTED),
        (VALIDATE, INVALID_ARGUMENT),
        ("/api.v1.beta1.DBManager/GetObservationLog", RESOURCE_EXHAUSTED),
        (CHECK, INVALID_ARGUMENT),
    ],
)
def test_what_is_small_only_while_it_is_compressed_is_refused(
    small: ServerProcess, path: str, expected: grpc.StatusCode, compression: grpc.Compression
) -> None:
    call = small.channel.unary_unary(path, None, None)
    code, text = failure(lambda: call(b"\0" * (50 << 20), compression=compression, timeout=60))
    assert (code, "the request has more than the " in text) == (expected, True)


def test_what_takes_far_more_memory_than_bytes_is_refused(server: ServerProcess) -> None:
    """Two bytes are an empty trial."""
    call = server.channel.unary_unary(SUGGEST, None, None)
    code, text = failure(lambda: call(b"\x12\x00" * (8 << 20), timeout=60))
    assert code is RESOURCE_EXHAUSTED
    assert re.match(r"the request would take about \d+ MiB of memory, this server has \d+", text)


# ---------------------------------------------------------------- malformed calls

REQUEST = ask_for(experiment()).SerializeToString()
GZIP = (b"grpc-encoding", b"gzip")
DEFLATE = (b"grpc-encoding", b"deflate")


MALFORMED: dict[str, tuple[bytes, list[http2.Header]]] = {
    "no message": (http2.framed(b"\xff\xff"), []),
    "a length past the end": (http2.framed(b"\x0a\xff\xff\xff\xff\x0f"), []),
    "gzip cut short": (http2.framed(gzip.compress(REQUEST)[:-3], 1), [GZIP]),
    "gzip of nothing": (http2.framed(b"\x1f\x8b\x08garbage", 1), [GZIP]),
    "deflate cut short": (http2.framed(zlib.compress(REQUEST)[:-3], 1), [DEFLATE]),
    "not gzip": (http2.framed(b"\xff\xff", 1), [GZIP]),
    "metadata of bytes": (http2.framed(b"\xff\xff"), [(b"x-text", b"\xff\xfe\x1b[31m")]),
}


@pytest.mark.parametrize("path", [SUGGEST, VALIDATE, CHECK, REFLECT])
@pytest.mark.parametrize(("body", "headers"), MALFORMED.values(), ids=list(MALFORMED))
def test_malformed_messages_are_invalid_arguments(
    small: ServerProcess, path: str, body: bytes, headers: list[http2.Header]
) -> None:
    assert http2.call(small.address, path, body, headers) is INVALID_ARGUMENT
    assert "Traceback" not in small.log()


@pytest.mark.parametrize("path", [SUGGEST, VALIDATE, CHECK])
@pytest.mark.parametrize(
    "body",
    [b"", http2.framed(REQUEST)[:-5], b"\0\0"],
    ids=["nothing", "a message cut short", "a frame cut short"],
)
def test_a_request_that_ends_too_early_is_answered(
    small: ServerProcess, path: str, body: bytes
) -> None:
    assert http2.call(small.address, path, body) is INVALID_ARGUMENT
    assert "Traceback" not in small.log()


# ------------------------------------------------- algorithms by somebody else

BUG = {"suggest": grpc.StatusCode.INTERNAL, "validate": grpc.StatusCode.UNKNOWN}
KNOWN = {
    ("exhausted", "suggest"): grpc.StatusCode.OUT_OF_RANGE,
    ("unready", "suggest"): grpc.StatusCode.FAILED_PRECONDITION,
    ("denied", "suggest"): grpc.StatusCode.PERMISSION_DENIED,
    ("exhausted", "validate"): INVALID_ARGUMENT,
    ("unready", "validate"): grpc.StatusCode.UNAVAILABLE,
    ("denied", "validate"): INVALID_ARGUMENT,
}
FAULTS = ["exhausted", "unready", "denied", "cancelled", "key", "exit", "memory", "recursion"]
FAULTS += ["stop", "surrogate", "unspeakable"]


@pytest.mark.parametrize("when", ["suggest", "validate"])
@pytest.mark.parametrize("what", FAULTS)
def test_what_an_algorithm_raises_has_a_code_that_tells(
    server: ServerProcess, what: str, when: str
) -> None:
    """In validation every code but INVALID_ARGUMENT, UNKNOWN and UNAVAILABLE would be a yes."""
    message = experiment("faulty", settings={"what": what, "when": when})
    if when == "suggest":
        code, text = failure(lambda: server.stub.GetSuggestions(ask_for(message), timeout=30))
    else:
        code, text = failure(
            lambda: server.stub.ValidateAlgorithmSettings(validation(message), timeout=30)
        )
    assert code is KNOWN.get((what, when), BUG[when])
    assert text, "it says what is wrong"
    assert points_of(server.stub.GetSuggestions(ask_for(experiment())))


# ----------------------------------------------------------------------- the log

HOSTILE = "a\x1b[2J\r\n2026-01-01T00:00:00Z INFO forged\u202e\u2028\x07\x00 b"


def test_the_log_holds_no_character_that_a_terminal_obeys(tmp_path: Path) -> None:
    names = ("random", "faulty", "medianstop", "dbmanager")
    database = f"sqlite:///{tmp_path / 'o.db'}"
    with serving(*names, "--database", database) as server:
        rules = api.GetEarlyStoppingRulesRequest(db_manager_address=HOSTILE)
        rules.experiment.CopyFrom(experiment(name=HOSTILE))
        rules.experiment.spec.early_stopping.algorithm_name = HOSTILE
        with open_channel(server.address_of("medianstop")) as channel:
            stopping = api_pb2_grpc.EarlyStoppingStub(channel)
            manager = api_pb2_grpc.DBManagerStub(server.channel)
            fault = {"what": "surrogate", "when": "suggest"}
            calls: list[Callable[[], Any]] = [
                lambda: server.stub.GetSuggestions(ask_for(experiment(HOSTILE, name=HOSTILE))),
                lambda: server.stub.GetSuggestions(ask_for(experiment("faulty", settings=fault))),
                lambda: stopping.GetEarlyStoppingRules(rules),
                lambda: stopping.SetTrialStatus(api.SetTrialStatusRequest(trial_name=HOSTILE)),
                lambda: manager.GetObservationLog(api.GetObservationLogRequest(trial_name=HOSTILE)),
                lambda: server.health.Check(health_pb2.HealthCheckRequest(service=HOSTILE)),
            ]
            for call in calls:
                with suppress(grpc.RpcError):
                    call()
        log = server.log()
    assert log.isascii()
    assert all(line.isprintable() for line in log.split("\n"))
    assert not re.search(r"^2026-01-01", log, re.MULTILINE)


# --------------------------------------------------------------------- containers

GROUPS = Path("/sys/fs/cgroup/memory")


def until_refused_for_lack_of_memory(server: ServerProcess, mib: int) -> None:
    """Send requests that are too large, until the server has noticed its new limit.

    It looks now and then; before, it takes more calls at a time than fit.
    """
    large = ask_for(experiment(name="n" * (6 << 20)))
    for _ in range(100):
        with pytest.raises(grpc.RpcError) as caught:  # the name is refused too
            server.stub.GetSuggestions(large, timeout=60)
        if f"give it more memory than {mib} MiB" in (caught.value.details() or ""):
            return
        time.sleep(0.1)
    raise AssertionError(caught.value.details())


@contextmanager
def group_of(mib: int) -> Iterator[Path]:
    """A control group with a limit of memory."""
    group = GROUPS / f"suggestion-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(mib << 20))
        yield group
    finally:
        for _ in range(100):  # a process leaves its group some time after its end
            if not (group / "cgroup.procs").read_text():
                break
            time.sleep(0.05)
        group.rmdir()


needs_groups = pytest.mark.skipif(
    not os.access(GROUPS / "memory.limit_in_bytes", os.W_OK), reason="needs control groups"
)


@pytest.mark.integration
@needs_groups
def test_a_server_lives_in_100_mib() -> None:
    """Also if the limit comes after its start."""
    with group_of(100) as group, serving("random") as server:
        (group / "cgroup.procs").write_text(str(server.process.pid))
        until_refused_for_lack_of_memory(server, 100)
        values = {f"hyperparameter-{k}": "0.12345678901" for k in range(10)}
        trials = [trial(f"trial-{k:06}", values, "0.123456789") for k in range(10_000)]
        honest = ask_for(experiment(), 1, 10_001, trials)
        bomb = b"\x0a" + b"0" * (60 << 20)
        call = server.channel.unary_unary(SUGGEST, None, None)

        def ask(number: int) -> grpc.StatusCode:
            try:
                if number % 2:
                    call(bomb, compression=grpc.Compression.Gzip, timeout=60)
                else:
                    server.stub.GetSuggestions(
                        honest, compression=COMPRESSIONS[number % 4 // 2], timeout=60
                    )
            except grpc.RpcError as error:
                return error.code()
            return OK

        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(ask, range(16)))
        assert codes == [OK, RESOURCE_EXHAUSTED] * 8
        assert server.process.poll() is None


@pytest.mark.integration
@needs_groups
def test_callers_that_never_read_their_replies_leave_room_to_others() -> None:
    """Each such reply has 2 MiB, which gRPC keeps for as long as the connection lives."""
    message = experiment("random", [double(f"p{k}", "0", "1") for k in range(20)])
    large = http2.framed(ask_for(message, 5_000).SerializeToString())
    with group_of(100) as group, serving("random") as server, ExitStack() as connections:
        (group / "cgroup.procs").write_text(str(server.process.pid))
        until_refused_for_lack_of_memory(server, 100)
        for _ in range(10):
            connections.enter_context(http2.sent(server.address, SUGGEST, large, timeout=60))
        done = "count=5000 .*outcome="
        for _ in range(2400):
            if len(re.findall(done, server.log())) == 10:
                break
            time.sleep(0.05)
        found = Counter(re.findall(f"{done}(.*)", server.log()))
        assert found.keys() == {"OK", "RESOURCE_EXHAUSTED"}
        assert "wait for their callers to read them" in server.log()
        assert len(server.stub.GetSuggestions(ask_for(message, 10)).parameter_assignments) == 10
        connections.close()
        for _ in range(200):  # the server learns of their end some time later
            with suppress(grpc.RpcError):
                server.stub.GetSuggestions(ask_for(message, 5_000))
                break
            time.sleep(0.1)
        else:
            raise AssertionError(server.log()[-500:])
