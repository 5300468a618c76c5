"""Requests to every service, valid and not, whole and as bytes.

No reply is ever INTERNAL or UNKNOWN, none comes after its deadline, and the server lives on. A
short search is part of the unit tests; ``make fuzz`` searches for as long as it is told to.
"""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggestion.api.service import Call, Rpc
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.channels import open_channel
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Cancelled, Exhausted, Invalid, Unready
from tests.support import http2
from tests.support.cases import NAMES, case_of
from tests.support.hostile import damaged, messages, methods, suggesting
from tests.support.requests import ask_for, experiment, points_of, trial
from tests.support.servers import ServerProcess, serving
from tests.support.strategies import fine_spaces, spaces

TEXTS = st.one_of(
    st.sampled_from(["", " ", "0", "1", "-1", "1e999", "nan", "inf", "None", "0.5", "x" * 1000]),
    st.text(max_size=20),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
)
# Open enums: numbers that the contract does not name arrive as they are.
ENUMS: st.SearchStrategy[Any] = st.integers(-3, 9)
COUNTS = st.one_of(st.integers(0, 12), st.sampled_from([-1, 10_001, 2**31 - 1, -(2**31)]))


@st.composite
def strange_parameters(draw: st.DrawFn) -> api.ParameterSpec:
    feasible = api.FeasibleSpace(
        min=draw(TEXTS),
        max=draw(TEXTS),
        step=draw(st.one_of(st.just(""), TEXTS)),
        list=draw(st.lists(TEXTS, max_size=4)),
        distribution=draw(ENUMS),
    )
    return api.ParameterSpec(
        name=draw(st.one_of(st.sampled_from("abc"), TEXTS)),
        parameter_type=draw(ENUMS),
        feasible_space=feasible,
    )


@st.composite
def trials(draw: st.DrawFn) -> api.Trial:
    names = st.sampled_from(["p0", "p1", "p2", "a", "gone"])
    values = draw(st.dictionaries(names, TEXTS, max_size=4))
    message = trial(draw(TEXTS), values, draw(st.one_of(st.none(), TEXTS)), draw(ENUMS))
    message.status.start_time = draw(TEXTS)
    message.status.completion_time = draw(TEXTS)
    return message


@st.composite
def requests(draw: st.DrawFn) -> api.GetSuggestionsRequest:
    name = draw(st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), TEXTS))
    settings_ = draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
    if name in NAMES and draw(st.booleans()):
        case = case_of(name)
        message = case.experiment(draw(st.one_of(spaces(3), fine_spaces(3)))) or experiment(name)
        for key, value in settings_[:1]:
            message.spec.algorithm.algorithm_settings.add(name=key, value=value)
    else:
        parameters = draw(st.lists(strange_parameters(), max_size=3))
        message = experiment(name, parameters, name=draw(TEXTS), settings=settings_)
        message.spec.objective.type = draw(ENUMS)
        message.spec.max_trial_count = draw(st.integers(-5, 20))
    return ask_for(message, draw(COUNTS), draw(COUNTS), draw(st.lists(trials(), max_size=6)))


#: Of the profile that is loaded.
EXAMPLES = settings().max_examples
FINE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.FAILED_PRECONDITION,
}


@pytest.mark.integration
@settings(max_examples=3 * EXAMPLES, suppress_health_check=list(HealthCheck))
@given(request=requests())
def test_no_reply_is_internal(server: ServerProcess, request: api.GetSuggestionsRequest) -> None:
    validation = api.ValidateAlgorithmSettingsRequest(experiment=request.experiment)
    for call in (
        lambda: server.stub.GetSuggestions(request, timeout=60),
        lambda: server.stub.ValidateAlgorithmSettings(validation, timeout=60),
    ):
        try:
            reply, error = call(), None
        except grpc.RpcError as caught:
            reply, error = None, caught
        if error is not None:
            assert error.code() in FINE, error
            assert error.details(), "an error says what to do"
        elif isinstance(reply, api.GetSuggestionsReply):
            assert len(points_of(reply)) == request.current_request_number
    assert server.process.poll() is None


@settings(max_examples=EXAMPLES)
@given(data=st.binary(max_size=300))
@pytest.mark.parametrize("method", ["GetSuggestions", "ValidateAlgorithmSettings"])
def test_no_bytes_are_internal(server: ServerProcess, method: str, data: bytes) -> None:
    call = server.channel.unary_unary(f"/api.v1.beta1.Suggestion/{method}", None, None)
    with pytest.raises(grpc.RpcError) as error:
        call(data, timeout=60)
    assert error.value.code() in FINE
    assert server.process.poll() is None


# ------------------------------------------------------- every service, in bytes too

SERVICES = (
    "api.v1.beta1.Suggestion",
    "api.v1.beta1.EarlyStopping",
    "api.v1.beta1.DBManager",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
)
#: What a caller may be told, whatever it sends. UNIMPLEMENTED is for methods that are not served.
TOLD = FINE | {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
METHODS = [(service, method.name) for service in SERVICES for method in methods(service)]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    database = f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'observations.db'}"
    names = ("random", "tpe", "medianstop", "percentilestop", "dbmanager")
    with serving(*names, "--database", database, "--trial-status", "none") as process:
        yield process
        assert process.process.poll() is None
        log = process.log()
        assert "Traceback" not in log
        assert all(line.isprintable() for line in log.split("\n"))


def _place(server: ServerProcess, service: str) -> str:
    return server.address_of("medianstop") if service.endswith("EarlyStopping") else server.address


def _request(data: st.DataObject, service: str, name: str) -> bytes:
    kind = next(m.input_type for m in methods(service) if m.name == name)
    raw: bytes = data.draw(messages(kind)).SerializeToString()
    return raw


@settings(max_examples=max(EXAMPLES // 10, 5), suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(("service", "name"), METHODS)
def test_every_method_answers_any_message(
    everything: ServerProcess, service: str, name: str, data: st.DataObject
) -> None:
    raw = _request(data, service, name)
    with open_channel(_place(everything, service)) as channel:
        call = channel.stream_stream(f"/{service}/{name}", None, None)
        try:
            timeout = 0.2 if name == "Watch" else 2
            compression = data.draw(st.sampled_from([None, grpc.Compression.Gzip]))
            list(call(iter([raw]), timeout=timeout, compression=compression))
        except grpc.RpcError as error:
            assert error.code() in TOLD, error  # noqa: PT017


@settings(max_examples=max(EXAMPLES // 10, 5), suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(("service", "name"), METHODS)
def test_every_method_answers_any_bytes(
    everything: ServerProcess, service: str, name: str, data: st.DataObject
) -> None:
    whole = _request(data, service, name)
    flag = data.draw(st.sampled_from([0, 0, 1]))
    framed = http2.framed(gzip.compress(whole) if flag else whole, flag)
    body = data.draw(st.one_of(damaged(framed), damaged(whole).map(http2.framed), st.binary()))
    headers = [(b"grpc-encoding", b"gzip"), (b"grpc-timeout", b"500m")]
    code = http2.call(_place(everything, service), f"/{service}/{name}", body, headers)
    assert code is None or code in TOLD


# --------------------------------------------------------------- any algorithm in time

SECONDS = 0.5
SUGGESTION = SuggestionService(algorithms())


@settings(max_examples=max(EXAMPLES // 50, 1), suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("method", ["GetSuggestions", "ValidateAlgorithmSettings"])
@pytest.mark.parametrize("name", NAMES)
def test_any_request_ends_within_a_second_of_its_deadline(
    name: str, method: str, data: st.DataObject
) -> None:
    request: Any = data.draw(suggesting(name))
    if method == "ValidateAlgorithmSettings":
        request = api.ValidateAlgorithmSettingsRequest(experiment=request.experiment)
    rpc: Rpc = SUGGESTION.rpcs[method]
    wall, cpu = time.monotonic(), time.thread_time()
    with contextlib.suppress(Invalid, Exhausted, Unready, Cancelled):
        rpc.handle(request, Call(Deadline.after(SECONDS)))
    # On a machine that does something else a second passes for nothing.
    took = min(time.monotonic() - wall, time.thread_time() - cpu)
    assert took < SECONDS + 1
