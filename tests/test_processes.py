"""`suggest serve --processes`: several processes compute, and callers see one server."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.request import Request, urlopen

import grpc
import psutil
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2

from suggestion.api.exchange import Outcome
from suggestion.api.service import Call, Rpc
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.problem.deadline import Deadline
from suggestion.server.execution import Job
from suggestion.server.processes import Processes, _Process
from tests.support.requests import ask_for, categorical, double, experiment, points_of, trial
from tests.support.servers import ServerProcess, serving
from tests.support.slow import SlowCalls, slow_request

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def computing(server: ServerProcess) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def answer_of(server: ServerProcess, request: api.GetSuggestionsRequest) -> object:
    """The whole of it: the reply, or the code, the message and the details."""
    try:
        return server.stub.GetSuggestions(request).SerializeToString()
    except grpc.RpcError as error:
        return error.code(), error.details(), error.trailing_metadata()


def test_answers_are_those_of_one_process() -> None:
    space = (double("x", "0", "1"), categorical("y", "a", "b"))
    done = [trial(f"t{k}", {"x": f"{k / 9:.3f}", "y": "ab"[k % 2]}, str(k)) for k in (1, 4)]
    requests = [ask_for(experiment(name, space), 2, 0, done) for name in ("random", "tpe")]
    requests += [
        ask_for(experiment("random", [double("x", "1", "0"), double("", "0", "1")], name="")),
        ask_for(experiment("broken", settings={"how": "raise"})),
        slow_request(0.01),
    ]
    arguments = ("random", "tpe", "broken", "slow", "--http-address", "127.0.0.1:0")
    with (
        serving(*arguments) as one,
        serving(*arguments, "--processes", "2") as two,
    ):
        assert len(computing(one)) == 0
        assert len(computing(two)) == 2
        with ThreadPoolExecutor(4) as pool:
            calls = [(pool.submit(answer_of, s, r)) for r in requests for s in (one, two)]
        for request, expected, got in zip(requests, calls[::2], calls[1::2], strict=True):
            assert got.result() == expected.result(), request.experiment
        document = json_format.MessageToJson(requests[0]).encode()
        replies = []
        for server in (one, two):
            base = next(line for line in server.output().split() if line.startswith("http://"))
            url = f"{base}/api.v1.beta1.Suggestion/GetSuggestions"
            wanted = Request(url, document, {"Content-Type": "application/json"})
            replies.append(json.load(urlopen(wanted)))
        assert replies[0] == replies[1]
        # Facts come from the process that computes.
        assert "algorithm=tpe trials=2 count=2 observations=2 pending=0" in two.log()
        assert '"a bug in this server: ZeroDivisionError: as promised"' in two.log()
        assert "  ZeroDivisionError: as promised" in two.log()


@pytest.mark.integration
def test_a_process_that_is_killed_costs_no_call(slow_calls: SlowCalls) -> None:
    with serving("slow", "random", "--processes", "2", **slow_calls.environment) as server:
        calls = [server.stub.GetSuggestions.future(slow_request()) for _ in range(4)]
        os.kill(slow_calls.begun(), signal.SIGKILL)
        slow_calls.end()
        for call in calls:
            assert len(call.result().parameter_assignments) == 1
        until(lambda: len(computing(server)) == 2)
        # All of them at once: calls wait for the next.
        for process in computing(server):
            process.kill()
        assert points_of(server.stub.GetSuggestions(ask_for(experiment())))
        until(lambda: len(computing(server)) == 2)
        assert server.health.Check(health_pb2.HealthCheckRequest()).status == SERVING
        assert server.log().count("ERROR a process that computes") == 3


@pytest.mark.integration
def test_a_call_that_ends_two_processes_is_refused(slow_calls: SlowCalls) -> None:
    with serving("slow", "--processes", "2", **slow_calls.environment) as server:
        call = server.stub.GetSuggestions.future(slow_request())
        for _ in range(2):
            os.kill(slow_calls.begun(), signal.SIGKILL)
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert "two processes that computed this call have ended" in call.details()


@pytest.mark.integration
def test_a_computation_that_does_not_end_costs_its_process() -> None:
    with serving("slow", "random", "--processes", "2", "--workers", "1") as server:
        obstinate = slow_request(600, obstinate="true")
        for _ in range(5):  # more than there are places
            with pytest.raises(grpc.RpcError):
                server.stub.GetSuggestions(obstinate, timeout=1)
            assert points_of(server.stub.GetSuggestions(ask_for(experiment()), timeout=30))
        assert server.health.Check(health_pb2.HealthCheckRequest()).status == SERVING
        until(lambda: "a process that computes has ended" in server.log())


@pytest.mark.integration
def test_a_signal_drains_all_and_leaves_none(slow_calls: SlowCalls) -> None:
    with serving("slow", "random", "--processes", "2", **slow_calls.environment) as server:
        left = computing(server)
        watch = server.health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        calls = [server.stub.GetSuggestions.future(slow_request()) for _ in range(4)]
        for _ in calls:
            slow_calls.begun()
        for process in left:  # as a supervisor does that signals all of a group
            process.terminate()
        server.process.terminate()
        assert next(watch).status == NOT_SERVING
        with pytest.raises(grpc.RpcError, match="shutting down"):
            server.stub.GetSuggestions(ask_for(experiment()))
        slow_calls.end()
        assert all(len(call.result().parameter_assignments) == 1 for call in calls)
        assert server.process.wait(timeout=20) == 0
        assert "has ended" not in server.log()
        psutil.wait_procs(left, timeout=10)
        assert not any(process.is_running() for process in left)


@pytest.mark.integration
def test_a_server_that_is_killed_leaves_none(slow_calls: SlowCalls) -> None:
    with serving("slow", "--processes", "2", **slow_calls.environment) as server:
        left = computing(server)
        call = server.stub.GetSuggestions.future(slow_request(obstinate="true"))
        slow_calls.begun()
        server.process.kill()
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        psutil.wait_procs(left, timeout=10)
        assert not any(process.is_running() for process in left)


def test_a_process_that_was_killed_gets_no_further_call() -> None:
    dying: Any = SimpleNamespace(poll=lambda: None, kill=lambda: None)  # not seen to have ended yet
    process = _Process(dying, cast(Any, None), cast(Any, None))
    assert process.runs
    process.kill()
    assert not process.runs


TALKATIVE = """
import logging

from suggestion.api.v1beta1 import api_pb2 as api


class Two(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


class Unreadable(bytes):
    def __reduce__(self):
        return int, ("not a number",)


def unreadable(request, call):
    return Unreadable()


logging.getLogger("talkative").warning("no GPU", extra={"cause": Two(1, 2)})
"""


def test_a_module_may_log_while_it_is_imported_and_answers_may_be_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "talkative.py").write_text(TALKATIVE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    rpc = Rpc(api.GetSuggestionsRequest, importlib.import_module("talkative").unreadable)
    caplog.clear()

    async def refused() -> tuple[Outcome, bool]:
        processes = Processes(1, 2, ["talkative"])
        await processes.start()
        try:
            end = time.monotonic() + 60
            job = Job(rpc._replace(portable=True), "GetSuggestions", b"", Call(Deadline(end)))
            outcome = await asyncio.wait_for(processes.submit(job), 60)
            return outcome, processes.broken
        finally:
            processes.shutdown()

    outcome, broken = asyncio.run(refused())
    assert outcome.code is grpc.StatusCode.UNAVAILABLE
    assert not broken
    assert "no GPU" in caplog.messages
    assert "what a process has computed cannot be read" in caplog.messages
