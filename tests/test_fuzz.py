"""Whole requests, valid and not: no reply is ever INTERNAL or UNKNOWN, and the server lives on."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from tests.support.cases import NAMES, case_of
from tests.support.requests import ask_for, experiment, points_of, trial
from tests.support.servers import ServerProcess
from tests.support.strategies import spaces

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
        message = case.experiment(draw(spaces(3))) or experiment(name)
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


@pytest.mark.long
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
