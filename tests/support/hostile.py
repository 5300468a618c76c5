"""Hypothesis strategies of requests that nobody sends in good faith, for every service."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import strategies as st

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.engine.algorithm import algorithms, settings_of
from suggestion.engine.declared import SHARED
from tests.support.cases import case_of
from tests.support.requests import ask_for, experiment, trial
from tests.support.strategies import fine_parameters, parameters

#: Largest index of a suggestion, and most suggestions in a request.
WIDEST_TOTAL: Final = 2**31 - 1
WIDEST_COUNT: Final = 10_000

_NUMBERS: Final = (
    *("", " ", "0", "-0", "1", "-1", "0.5", "1e-9999999999999999999999", "5e-324", "1e-310"),
    *("1e308", "1e309", "-1e300", "1e33", "nan", "inf", "-inf", "9007199254740993", str(2**63)),
    *("9" * 400, "0x10", "1_000", "\uff11", "None", "true", " 1 ", "1.", ".5", "1e", "--1"),
)
TEXTS: Final = st.one_of(
    st.sampled_from([*_NUMBERS, "a\x1b[2J\r\nb", "\x00", "x" * 1000, "../..", "\u202e"]),
    st.text(max_size=20),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
)
_SCALARS: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=20),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_INT32: st.one_of(st.integers(-3, 20), st.integers(-(2**31), 2**31 - 1)),
    FieldDescriptor.TYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_DOUBLE: st.floats(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    # Open enums: numbers that the contract does not name arrive as they are.
    FieldDescriptor.TYPE_ENUM: st.integers(-3, 9),
}


def methods(service: str) -> tuple[MethodDescriptor, ...]:
    """The methods of a service, by its full name."""
    pool = descriptor_pool.Default()
    # Importing their modules has registered those of gRPC.
    assert pool.FindFileByName(health_pb2.DESCRIPTOR.name)
    assert pool.FindFileByName(reflection_pb2.DESCRIPTOR.name)
    return tuple(pool.FindServiceByName(service).methods)


@st.composite
def messages(draw: st.DrawFn, kind: Descriptor, depth: int = 4) -> Any:
    """Any message of a kind: each field may be set, to anything."""
    message = message_factory.GetMessageClass(kind)()
    fields = tuple(kind.fields)
    for field in draw(st.lists(st.sampled_from(fields), max_size=6)) if fields else ():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)[draw(TEXTS)] = draw(TEXTS)
        elif field.message_type is not None:
            if depth:
                inner = draw(messages(field.message_type, depth - 1))
                place = getattr(message, field.name)
                (place.add() if field.is_repeated else place).CopyFrom(inner)
        elif field.is_repeated:
            getattr(message, field.name).append(draw(_SCALARS[field.type]))
        else:
            setattr(message, field.name, draw(_SCALARS[field.type]))
    return message


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that were a message until some of them were changed, lost or repeated."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        how: Callable[[], None] = draw(
            st.sampled_from(
                [
                    lambda: data.__setitem__(slice(at, at + 1), draw(st.binary(max_size=2))),  # noqa: B023
                    lambda: data.__delitem__(slice(at, None)),  # noqa: B023
                    lambda: data.extend(data[at:]),  # noqa: B023
                ]
            )
        )
        how()
    return bytes(data[:5000])


SHARED_NAMES: Final = tuple(setting.name for setting in SHARED)
_NAMES: Final = ("p0", "p1", "p2", "`p0`", "0", "0.5", "1e300", "'a'", "log(", "sqrt(", "min(", ",")
_SIGNS: Final = ("+", "-", "*", "/", "**", "<", "<=", "==", "!=", "(", ")", ";")
_WORDS: Final = st.sampled_from((*_NAMES, *_SIGNS, "and", "or", "not", "in", "if"))
_SOUND: Final = st.sampled_from(
    ["p0 < p1", "p1 != p0", "p0 * p0 >= 0", "p0 ** p1 < 9", "p0 / p1 < 1 or p1 < 0", "p0 > 1e-9"]
)
_EXPRESSIONS: Final = st.one_of(_SOUND, st.lists(_WORDS, max_size=12).map(" ".join), TEXTS)
_METRICS: Final = ("m0", "m1")
_BOUNDS: Final = st.one_of(
    st.sampled_from(["m0 <= 1", "0 < m0 < 1", "m1 > -1e300", "loss < 1", "m2 < 1", "m0 < m1"]),
    st.lists(
        st.sampled_from((*_METRICS, "`m0`", *_SIGNS, "0", "1e309", "nan", "and")), max_size=6
    ).map(" ".join),
    TEXTS,
)
_GOALS: Final = st.one_of(
    st.sampled_from(["m0: minimize", "m1: maximize", "`m0`: maximize", "loss: minimize", "m2: x"]),
    st.lists(st.sampled_from((*_METRICS, ":", "`", ";", "minimize")), max_size=5).map(" ".join),
    TEXTS,
)
#: Texts of the settings that algorithms share, many of them sound.
RESTRICTIONS: Final[Mapping[str, st.SearchStrategy[str]]] = {
    "parameter_constraints": st.lists(_EXPRESSIONS, min_size=1, max_size=2).map("; ".join),
    "conditions": st.lists(
        st.tuples(st.sampled_from(["p0", "p1", "p2"]), _EXPRESSIONS).map(" if ".join),
        min_size=1,
        max_size=2,
    ).map("; ".join),
    "metric_constraints": st.lists(_BOUNDS, min_size=1, max_size=2).map("; ".join),
    "objectives": st.lists(_GOALS, min_size=1, max_size=2).map("; ".join),
    "initial_points": st.one_of(
        st.sampled_from(["[]", "[{}]", "[{}, {}]"]),
        st.lists(
            st.dictionaries(
                st.sampled_from(["p0", "p1", "q"]),
                st.one_of(st.integers(), st.floats(), TEXTS, st.none(), st.lists(st.integers())),
                max_size=2,
            ),
            max_size=3,
        ).map(json.dumps),
        TEXTS,
    ),
    "prior_trials": st.one_of(
        st.sampled_from(["{}", '{"a": {"parameters": {"p0": [0, "1"]}, "values": [1, null]}}']),
        st.dictionaries(
            st.sampled_from(["a", ""]),
            st.dictionaries(
                st.sampled_from(["parameters", "values", "goal"]),
                st.one_of(
                    st.lists(st.one_of(st.floats(), st.none()), max_size=2),
                    st.dictionaries(
                        st.sampled_from(["p0", "q"]),
                        st.lists(st.one_of(st.floats(), TEXTS, st.none()), max_size=2),
                    ),
                    TEXTS,
                ),
            ),
            max_size=2,
        ).map(json.dumps),
        TEXTS,
    ),
}


@st.composite
def suggesting(draw: st.DrawFn, name: str) -> api.GetSuggestionsRequest:
    """A request to one algorithm with settings, counts, spaces and trials at their limits."""
    case = case_of(name)
    size = draw(st.integers(1, 3))
    space = [draw(st.one_of(parameters(f"p{k}"), fine_parameters(f"p{k}"))) for k in range(size)]
    kept = {spec.name for spec in case.needed}
    specs = [*case.needed, *(spec for spec in space if spec.name not in kept)]
    settings = dict(case.settings)
    names = [setting.name for setting in settings_of(algorithms().load(name))]
    for key in draw(st.lists(st.sampled_from(names), max_size=2)):
        if key != "suggestion_trial_dir":  # which would be written to
            settings[key] = draw(TEXTS)
    for key in draw(st.lists(st.sampled_from(["", "", *SHARED_NAMES]), max_size=3)):
        if key:
            settings[key] = draw(RESTRICTIONS[key])
    message = experiment(name, specs, settings=settings)
    reported = draw(st.sets(st.sampled_from(_METRICS)))
    message.spec.objective.additional_metric_names.extend(sorted(reported))
    values = st.dictionaries(st.sampled_from([spec.name for spec in specs]), TEXTS, max_size=4)
    trials = [
        trial(f"t{k}", draw(values), draw(st.one_of(st.none(), TEXTS)), draw(st.integers(-1, 8)))
        for k in range(draw(st.integers(0, 5)))
    ]
    for each in trials:
        for metric in sorted(reported):
            each.status.observation.metrics.add(name=metric, value=draw(TEXTS))
    count = draw(st.one_of(st.integers(1, 20), st.integers(1, WIDEST_COUNT)))
    total = draw(st.one_of(st.integers(0, 1000), st.integers(0, WIDEST_TOTAL)))
    return ask_for(message, count, total, trials)
