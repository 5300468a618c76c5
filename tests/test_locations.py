"""Where a rule is broken: locations, and the fields of the messages that they become."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import cast

import pytest
from google.protobuf.descriptor import Descriptor

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import locations
from suggestion.engine.engine import AlgorithmChoice
from suggestion.problem.errors import Invalid, Violation
from suggestion.problem.locations import Location, dotted, parse
from suggestion.problem.numeric import Double
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import SearchSpace
from tests.support.cases import ENGINE, NAMES, case_of, suggest
from tests.support.requests import MIXED, ask_for, categorical, double, experiment, integer
from tests.test_wire import WRONG

PATHS: list[tuple[Location, str]] = [
    ((), ""),
    (("name",), "name"),
    (("experiment", "spec", "parameters", 0, "name"), "experiment.spec.parameters[0].name"),
    (("trials", 12), "trials[12]"),
]


@pytest.mark.parametrize(("location", "text"), PATHS)
def test_a_location_is_written_and_read(location: Location, text: str) -> None:
    assert dotted(location) == text
    assert parse(text) == location


def in_request(path: Location) -> bool:
    """Whether a request has a field at `path`; positions only in lists."""
    steps = list(path)
    message = cast("Descriptor | None", api.GetSuggestionsRequest.DESCRIPTOR)
    while steps:
        if message is None:
            return False
        field = message.fields_by_name.get(str(steps.pop(0)))
        if field is None:
            return False
        if steps and isinstance(steps[0], int):
            if not field.is_repeated:
                return False
            steps.pop(0)
        message = field.message_type
    return bool(path)


def refusals() -> Iterator[api.GetSuggestionsRequest]:
    """Requests that break each kind of rule, those of every algorithm among them."""
    for message, *_ in WRONG:
        yield ask_for(message)
    yield ask_for(experiment(), 0)
    yield api.GetSuggestionsRequest()
    yield ask_for(experiment(parameters=[integer("x", "0", "1"), integer("x", "0", "1")]))
    many = [double(f"x{k}", "0", "1") for k in range(1025)]
    spoilt = [("seed", "x"), ("seed", "1"), ("no_such_setting", "1"), ("r_l", "1e9")]
    for name in NAMES:
        settings = [item for item in case_of(name).settings if item[0] != "r_l"]
        yield ask_for(experiment(name, [categorical("c", "a")], settings=[*settings, *spoilt]))
        yield ask_for(experiment(name, [categorical("c", "a")], settings=settings))
        yield ask_for(experiment(name, MIXED, name="a/b", settings=settings, max_trials=1))
        yield ask_for(experiment(name, many, settings=case_of(name).settings))
    trees = {"base_estimator": "RF", "acq_optimizer": "lbfgs"}
    yield ask_for(experiment("bayesianoptimization", settings=trees))
    yield ask_for(experiment("grid", [integer("x", "0", "1")], max_trials=3))
    yield ask_for(experiment("random", many[:100]), 2001)  # more than a reply can hold


def test_the_field_of_every_refusal_is_one_of_the_request() -> None:
    heads = set()
    for request in refusals():
        try:
            suggest(request)
        except Invalid as error:
            for violation in error.violations:
                path = violation.location
                assert in_request(path), violation
                assert parse(dotted(path)) == path
                heads.add(path[:4])
    assert len(heads) > 9, heads


EXPERIMENT = experiment(parameters=MIXED)
EXPERIMENT.spec.objective.additional_metric_names.extend(["latency", "size"])
_SPEC = "experiment.spec"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("parameters", "lr"), f"{_SPEC}.parameter_specs.parameters[0]"),
        (("parameters", "batch", "list"), f"{_SPEC}.parameter_specs.parameters[3].feasible_space"),
        (("parameters", "gone", "min"), f"{_SPEC}.parameter_specs.parameters"),
        (("space",), f"{_SPEC}.parameter_specs"),
        (("conditions",), f"{_SPEC}.parameter_specs"),
        (("metrics",), f"{_SPEC}.objective"),
        (("metrics", "loss", "goal"), f"{_SPEC}.objective.type"),
        (("metrics", "size", "goal"), f"{_SPEC}.objective.additional_metric_names[1]"),
        (("metrics", 1), f"{_SPEC}.objective.additional_metric_names[0]"),
        (("metrics", 0), f"{_SPEC}.objective"),
        (("settings", "gamma"), f"{_SPEC}.algorithm.algorithm_settings"),
        (("settings", 2, "name"), f"{_SPEC}.algorithm.algorithm_settings[2].name"),
        (("prior",), "experiment"),
    ],
)
def test_a_location_becomes_a_field(location: Location, path: str) -> None:
    rendered = locations.in_request(location, EXPERIMENT)
    assert in_request(rendered)
    assert dotted(rendered).startswith(path)


def test_an_algorithm_names_the_parameter_and_not_its_place() -> None:
    space = SearchSpace((Double("a", 0, 1, 0.5), Double("lr", 0, 1)))
    with pytest.raises(Invalid) as caught:
        ENGINE.prepare(Problem("e", space, (Metric("loss"),)), AlgorithmChoice("grid"))
    (violation,) = caught.value.violations
    assert violation.location == ("parameters", "lr", "step")


def test_a_path_as_algorithms_gave_it_before_is_still_a_field() -> None:
    """A plug-in that was written for the release before names a field of the experiment."""
    with pytest.warns(DeprecationWarning, match="location of a Violation is a tuple"):
        violation = Violation("spec.algorithm.algorithm_settings", "wrong")  # type: ignore[arg-type]
    with warnings.catch_warnings(action="error"):
        path = locations.in_request(violation.location, EXPERIMENT)
    assert dotted(path) == "experiment.spec.algorithm.algorithm_settings"
    assert in_request(parse(dotted(path)))
