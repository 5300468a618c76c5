"""Whatever a request holds, an algorithm looks at the deadline often enough to end with it.

Checks of the deadline are counted, and the CPU time between them is measured, so that a busy
machine changes nothing.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.api.v1beta1.trial_messages import STUDY_LABEL, read_trials
from suggestion.engine.algorithm import algorithms, settings_of
from suggestion.engine.settings import Setting
from suggestion.numerics import region
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Cancelled, Exhausted, Invalid, Unready
from tests.support.cases import NAMES, case_of, prepare
from tests.support.requests import ask_for, categorical, double, experiment, integer, trial
from tests.support.strategies import fine_parameters, parameters

LONGEST: Final = 10.0  # seconds of CPU time; a tenth of it is usual for the slowest
LARGEST: Final = 2**31 - 1


class Counted(Deadline):
    """A deadline that passes at a check of a given number."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self._left = checks
        self._last = time.thread_time()
        self.longest = 0.0

    def check(self) -> None:
        self.note()
        self._left -= 1
        if self._left < 0:
            raise Cancelled

    def note(self) -> None:
        """Measure the time since the last check."""
        now = time.thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now


def _hostile(setting: Setting) -> st.SearchStrategy[str]:
    if setting.choices:
        return st.sampled_from(setting.choices)
    numbers = [n for n in (setting.at_least, setting.at_most, setting.below) if n is not None]
    if setting.above is not None:
        numbers.append(setting.above + 1e-9)
    return st.sampled_from([str(number) for number in numbers] or ["1"])


def _wide(name: str) -> st.SearchStrategy[api.ParameterSpec]:
    many = categorical(name, *map(str, range(3000)))
    return st.one_of(parameters(name), fine_parameters(name), st.just(many))


@st.composite
def hostile(draw: st.DrawFn, name: str) -> tuple[api.Experiment, list[api.Trial]]:
    """An experiment with settings at their bounds, and trials inside and outside its space."""
    case = case_of(name)
    count = draw(st.integers(1, 4))
    specs = [draw(_wide(f"p{index}")) for index in range(count)]
    specs += [double(f"q{index}", "0", "1") for index in range(draw(st.sampled_from([0, 2, 30])))]
    given_ = dict(case.settings)
    for setting in settings_of(algorithms().load(name)):
        if setting.kind in (int, float) and draw(st.booleans()):
            given_[setting.name] = draw(_hostile(setting))
    needed = {spec.name for spec in case.needed}
    message = experiment(
        name, [*case.needed, *(s for s in specs if s.name not in needed)], settings=given_
    )
    number = draw(st.sampled_from([0, 1, 30, 200]))
    drawn = experiment("random", message.spec.parameter_specs.parameters)
    trials = []
    try:
        found = prepare(drawn).suggest(number) if number else ()
    except Invalid:
        found = ()
    for index, suggestion in enumerate(found):
        texts = {key: str(value) for key, value in suggestion.assignment.items()}
        loss = repr(((index * 0.618) % 1) * 10 ** draw(st.sampled_from([0, 0, 0, 300])))
        trials.append(trial(f"t{index}", texts, None if index % 7 == 3 else loss))
    return message, trials


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10)
@given(data=st.data())
def test_every_request_ends_with_its_deadline(name: str, data: st.DataObject) -> None:
    message, trials = data.draw(hostile(name))
    count = data.draw(st.sampled_from([1, 3, 100, 10_000]))
    first = data.draw(st.sampled_from([len(trials), 70_000, LARGEST - count]))
    deadline = Counted(data.draw(st.sampled_from([1, 10, 50])))
    try:
        prepared = prepare(message)
        history = read_trials(trials, prepared.problem)
        found = prepared.suggest(
            count, first_index=max(first, len(trials)), trials=history, deadline=deadline
        )
        assert len(found) == count
    except (Cancelled, Exhausted, Invalid, Unready):
        pass
    deadline.note()
    assert deadline.longest < LONGEST


P2 = (double("x", "0", "1"), double("y", "0", "1"))
LOG = (integer("n", "1", "10000000000", "", api.LOG_UNIFORM),)


@pytest.mark.parametrize(
    ("name", "specs"),
    [("cmaes", P2), ("pbt", P2), ("random", LOG), ("sobol", LOG), ("tpe", LOG), ("anneal", LOG)],
)
def test_the_largest_index_costs_no_more_than_others(
    name: str, specs: tuple[api.ParameterSpec, ...]
) -> None:
    message = experiment(name, specs, settings=case_of(name).settings)
    deadline = Counted(20_000)
    prepared = prepare(message)
    assert len(prepared.suggest(2, first_index=LARGEST - 2, deadline=deadline)) == 2


@pytest.mark.parametrize("name", ["hyperband", "asha"])
def test_a_resource_of_a_fine_lattice_is_validated_at_once(name: str) -> None:
    resource = double("epochs", "1", "1000", "1e-12")
    message = experiment(name, [resource, *P2], settings={"resource_name": "epochs", "r_l": "1000"})
    assert len(prepare(message).suggest(3)) == 3


@pytest.mark.parametrize("field", ["parallel_trial_count", "count"])
def test_more_than_a_reply_can_hold_is_refused_by_name(field: str) -> None:
    specs = [double(f"x{index}", "0", "1") for index in range(100)]
    message = experiment("random", specs)
    if field == "count":
        with pytest.raises(Invalid, match=r"at most 2000 suggestions of 100 param.*, got 2001"):
            prepare(message).suggest(2001)
    else:
        message.spec.parallel_trial_count = LARGEST
        with pytest.raises(Invalid, match="parallel_trial_count must be at most 2000"):
            prepare(message)


def test_a_search_for_feasible_points_ends_with_its_deadline() -> None:
    """It may take seconds in validation already, where constraints are long."""
    constraint = f"p0 + p1 > 1.999 and {' + '.join(['p0 * p1'] * 40)} > 39.9"
    specs = [double(f"p{index}", "0", "1") for index in range(4)]
    message = experiment("random", specs, settings={"parameter_constraints": constraint})
    for checks in (0, 1, 20):
        with pytest.raises(Cancelled):
            prepare(message, Counted(checks))
    assert len(prepare(message).suggest(2)) == 2


@pytest.mark.parametrize("name", ["random", "grid", "hyperband"])
def test_counting_the_points_of_a_finite_space_ends_with_the_deadline(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted when the first of them is asked for, which may take seconds."""
    case = case_of(name)
    constraint = f"p0 + p1 > 30 and {' + '.join(['p0 * p1'] * 8)} > 1800"
    specs = [*case.needed, *(integer(f"p{index}", "0", "24") for index in range(3))]
    given_ = {**dict(case.settings), "parameter_constraints": constraint}
    prepared = prepare(experiment(name, specs, settings=given_))
    for checks in (10, 30):
        monkeypatch.setattr(region, "_regions", OrderedDict())  # as in another server
        with pytest.raises(Cancelled):
            prepared.suggest(1, deadline=Counted(checks))
    assert len(prepared.suggest(1)) == 1


def test_a_search_for_what_initial_points_lack_ends_with_its_deadline() -> None:
    specs = [double(f"p{index}", "0", "1") for index in range(3)]

    def checks(points: int) -> int:
        text = json.dumps([{"p0": 0.5}] * points)
        settings = {"parameter_constraints": "abs(p1 - p2) < 1e-5", "initial_points": text}
        counted = Counted(10_000)
        with pytest.raises(Invalid, match="none was found"):
            prepare(experiment("random", specs, settings=settings), counted)
        return 10_000 - counted._left

    checks(1)  # the feasible points are known from here on
    assert checks(4) >= checks(1) + 3


def _ends(request: api.GetSuggestionsRequest, checks: int) -> None:
    """Assert that the deadline is looked at more than `checks` times."""
    with pytest.raises(Cancelled):
        SuggestionService(algorithms()).get_suggestions(request, Call(Counted(checks)))


def test_reading_trials_ends_with_the_deadline() -> None:
    trials = [trial(f"t{k}", {"x": str(k / 5000), "y": "0"}, "1") for k in range(5000)]
    _ends(ask_for(experiment("tpe", P2), 1, 5001, trials), 19)
    for each in trials:
        each.spec.labels[STUDY_LABEL] = "before"
    _ends(ask_for(experiment("bayesianoptimization", P2), 1, 1, trials), 50)


def test_reading_prior_trials_ends_with_the_deadline() -> None:
    """Their columns, the trials that they make, and the study that those are."""
    columns = {name: [k / 3000 for k in range(3000)] for name in "xyzuvw"}
    text = json.dumps({"before": {"parameters": columns, "values": columns["x"]}})
    specs = [double(name, "0", "1") for name in columns]
    message = experiment("bayesianoptimization", specs, settings={"prior_trials": text})
    for checks in (3, 12, 35):
        _ends(ask_for(message), checks)


@pytest.mark.parametrize("first", [0, 300])
def test_completing_initial_points_ends_with_its_deadline(first: int) -> None:
    """Those of the reply, and those that an algorithm leaves out."""
    points = json.dumps([{"p0": 0.001 * index} for index in range(200)])
    specs = [double(f"p{index}", "0", "1") for index in range(3)]
    prepared = prepare(experiment("random", specs, settings={"initial_points": points}))
    with pytest.raises(Cancelled):
        prepared.suggest(200, first_index=first, deadline=Counted(100))
