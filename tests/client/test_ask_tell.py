"""Ask and tell: the same suggestions in this process and over gRPC, whatever happens to trials."""

from __future__ import annotations

import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell, Trial
from suggestion.client.replies import BadReply
from suggestion.client.transports import InProcess, OverGrpc, Transport
from suggestion.problem.errors import Exhausted, Invalid
from tests.support.cases import NAMES, case_of
from tests.support.play import LATTICE, loss_of
from tests.support.requests import CONDITION, ask_for, double, experiment, integer
from tests.support.servers import ServerProcess


def play(message: api.Experiment, transport: Transport) -> list[Trial]:
    """An experiment of 24 trials, with up to six at a time; some fail, the later ones end first."""
    loop = AskTell(message, transport)
    running: list[Trial] = []
    for count in (1, 5, 3, 6, 3, 6):
        running += loop.ask(count)
        while len(running) > 3:
            trial = running.pop()
            if trial.index % 7 == 3:
                loop.fail(trial)
            else:
                loop.tell(trial, loss_of(trial.assignment))
    return list(loop.trials)


@pytest.mark.parametrize("name", NAMES)
def test_in_this_process_and_over_grpc_the_suggestions_are_the_same(
    server: ServerProcess, name: str
) -> None:
    message = case_of(name).experiment(LATTICE)
    assert message is not None
    with OverGrpc(server.address) as remote:
        found = play(message, remote)
    assert len(found) == 24
    assert found == play(message, InProcess())


class Recorder:
    """A transport that remembers the requests, and may add to the replies."""

    def __init__(self) -> None:
        self.requests: list[api.GetSuggestionsRequest] = []
        self.settings: dict[str, str] = {}
        self.lost = 0
        self._inner = InProcess()

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        kept = api.GetSuggestionsRequest()
        kept.CopyFrom(request)
        self.requests.append(kept)
        reply = self._inner.suggest(request)
        for name, value in self.settings.items():
            reply.algorithm.algorithm_settings.add(name=name, value=value)
        del reply.parameter_assignments[len(reply.parameter_assignments) - self.lost :]
        return reply

    def validate(self, experiment: api.Experiment) -> None:
        self._inner.validate(experiment)


def test_a_request_has_every_trial_in_its_condition() -> None:
    recorder = Recorder()
    loop = AskTell(experiment("random", [double("x", "0", "1")]), recorder)
    first, second, third = loop.ask(3)
    loop.tell(third, 0.25)
    loop.fail(first)
    loop.add({"x": "0.5"}, 2)
    loop.ask(2)
    request = recorder.requests[-1]
    assert (request.current_request_number, request.total_request_number) == (2, 6)
    assert [(t.name, t.status.condition) for t in request.trials] == [
        ("exp-00000", CONDITION.FAILED),
        ("exp-00001", CONDITION.RUNNING),
        ("exp-00002", CONDITION.SUCCEEDED),
        ("exp-00003", CONDITION.SUCCEEDED),
    ]
    assert [m.value for t in request.trials for m in t.status.observation.metrics] == [
        "0.25",
        "2.0",
    ]
    (item,) = request.trials[1].spec.parameter_assignments.assignments
    assert {item.name: item.value} == second.assignment


def test_settings_of_a_reply_lie_over_the_experiments_own() -> None:
    recorder = Recorder()
    message = experiment("random", [double("x", "0", "1")], settings={"random_state": "1"})
    loop = AskTell(message, recorder)
    recorder.settings = {"random_state": "2"}
    loop.ask()
    loop.ask()
    sent = [r.experiment.spec.algorithm.algorithm_settings[0].value for r in recorder.requests]
    assert sent == ["1", "2"]
    assert message.spec.algorithm.algorithm_settings[0].value == "1"


def test_only_running_trials_are_told() -> None:
    loop = AskTell(experiment("random"), InProcess())
    (trial,) = loop.ask()
    loop.tell(trial, 1.0)
    for again in (trial, Trial("exp-7", 7, {})):
        with pytest.raises(ValueError, match=f"trial '{again.name}': must be running"):
            loop.tell(again, 1.0)
        with pytest.raises(ValueError, match=f"trial '{again.name}': must be running"):
            loop.fail(again)


def test_a_short_reply_is_an_error_and_changes_nothing() -> None:
    recorder = Recorder()
    loop = AskTell(experiment("random"), recorder)
    recorder.lost = 1
    with pytest.raises(BadReply, match="asked for 2 suggestions, got 1"):
        loop.ask(2)
    assert loop.trials == ()
    recorder.lost = 0
    assert [trial.index for trial in loop.ask(2)] == [0, 1]


@pytest.mark.parametrize(
    ("trial", "assignment", "text"),
    [
        ("", {"x": "1", "y": "1"}, "a suggestion must have x, each once; got x, y"),
        ("", {}, "a suggestion must have x, each once; got none"),
        ("Not_A_Label", {"x": "1"}, "a trial name must be a DNS label, got 'Not_A_Label'"),
        ("known", {"x": "1"}, "trial names must differ, got 'known' again"),
        ("twice", {"x": "1"}, "trial names must differ, got 'twice' twice"),
    ],
)
def test_a_reply_that_breaks_the_contract_changes_nothing(
    trial: str, assignment: dict[str, str], text: str
) -> None:
    class Answering(Recorder):
        def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
            reply = api.GetSuggestionsReply()
            for _ in range(request.current_request_number):
                entry = reply.parameter_assignments.add(trial_name=trial)
                for name, value in assignment.items():
                    entry.assignments.add(name=name, value=value)
            reply.algorithm.algorithm_settings.add(name="random_state", value="7")
            return reply

    loop = AskTell(experiment("random", [double("x", "0", "1")]), Answering())
    loop.start({"x": "0"}, "known")
    before = loop.request(1).SerializeToString()
    with pytest.raises(BadReply, match=text):
        loop.ask(2 if trial == "twice" else 1)
    assert loop.request(1).SerializeToString() == before


def test_a_refusal_changes_nothing() -> None:
    loop = AskTell(experiment("grid", [integer("n", "1", "3")]), InProcess())
    loop.validate()
    assert len(loop.ask(2)) == 2
    with pytest.raises(Exhausted):
        loop.ask(2)
    assert len(loop.ask(1)) == 1
    with pytest.raises(Invalid):
        AskTell(experiment("nothing"), InProcess()).validate()


def test_the_request_is_the_one_that_a_controller_sends() -> None:
    loop = AskTell(experiment("random"), InProcess())
    assert loop.request(3) == ask_for(experiment("random"), 3, 3)
