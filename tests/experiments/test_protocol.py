"""What servers are asked, and what is made of their replies: the controller's part."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import grpc
import pytest

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.controller.context import Options
from suggestion.controller.trials import Condition
from suggestion.runner import runner
from suggestion.views.view import Plain
from tests.experiments.support import (
    Machine,
    Recorder,
    Stopping,
    Suggesting,
    document,
    serving,
    stored,
)

OK = "echo loss=${trialParameters.x}"
STATUS = api.TrialStatus


def test_an_experiment_to_its_end(machine: Machine, tmp_path: Path) -> None:
    service = Suggesting()
    with serving(service) as target:
        controller = machine.run(tmp_path, document(OK, maxTrialCount="7"), target=target)
    assert controller.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    assert len(service.validated) == 1
    assert service.validated[0].experiment.name == "study"
    total = 0
    for request in service.requests:
        active = [
            t for t in request.trials if t.status.condition in (STATUS.CREATED, STATUS.RUNNING)
        ]
        done = [t for t in request.trials if t.status.condition == STATUS.SUCCEEDED]
        assert len(active) + len(done) == len(request.trials) == total
        assert request.current_request_number == min(2, 7 - len(done)) - len(active)
        total += request.current_request_number
        assert request.total_request_number == total
        assert request.experiment.spec.parallel_trial_count == 2
        assert request.experiment.spec.max_trial_count == 7
        for trial in done:
            (value,) = (m.value for m in trial.status.observation.metrics if m.name == "loss")
            assert value == trial.spec.parameter_assignments.assignments[0].value
            assert trial.spec.objective.objective_metric_name == "loss"
            # To the second, as objects in a cluster have them.
            for moment in (trial.status.start_time, trial.status.completion_time):
                assert len(moment) == len("2026-11-21T10:00:00Z")
        assert not any(t.status.observation.metrics for t in active)
    assert total == 7
    trials = stored(tmp_path)
    assert [t.number for t in trials] == list(range(7))
    assert {t.condition for t in trials} == {Condition.SUCCEEDED}
    best = min(trials, key=lambda t: float(t.assignment["x"]))
    assert controller.best is not None
    assert controller.best.name == best.name


def test_what_replies_set_is_kept(machine: Machine, tmp_path: Path) -> None:
    """Settings and names come back with later requests; labels do not."""
    service = Suggesting()

    def change(reply: api.GetSuggestionsReply, call: int) -> None:
        reply.algorithm.algorithm_settings.add(name="state", value=str(call))
        reply.algorithm.algorithm_settings.add(name="own", value="from the server")
        for index, entry in enumerate(reply.parameter_assignments):
            entry.trial_name = f"named-{call}-{index}"
            entry.labels["generation"] = str(call)

    service.change = change
    made = document(OK, parallelTrialCount="1", maxTrialCount="3")
    made["spec"]["algorithm"]["algorithmSettings"] = [{"name": "own", "value": "mine"}]

    # The real service validates; it does not know the setting.
    service.ValidateAlgorithmSettings = lambda request, context: (  # type: ignore[method-assign]
        api.ValidateAlgorithmSettingsReply()
    )
    with serving(service) as target:
        machine.run(tmp_path, made, target=target)
    sent = [
        {s.name: s.value for s in request.experiment.spec.algorithm.algorithm_settings}
        for request in service.requests
    ]
    assert sent == [
        {"own": "mine"},
        {"own": "from the server", "state": "1"},
        {"own": "from the server", "state": "2"},
    ]
    trials = stored(tmp_path)
    assert [t.name for t in trials] == ["named-1-0", "named-2-0", "named-3-0"]
    assert [t.labels["generation"] for t in trials] == ["1", "2", "3"]
    assert sorted(t.name for t in service.requests[2].trials) == ["named-1-0", "named-2-0"]
    assert not any(t.spec.labels for t in service.requests[2].trials)


@pytest.mark.parametrize("name", ["../../escape", "Upper", "x" * 64, "twice"])
def test_names_that_trials_cannot_have(machine: Machine, tmp_path: Path, name: str) -> None:
    service = Suggesting()

    def change(reply: api.GetSuggestionsReply, call: int) -> None:
        for entry in reply.parameter_assignments:
            entry.trial_name = name

    service.change = change
    with serving(service) as target, pytest.raises(runner.Fatal, match=r"trial name"):
        machine.run(tmp_path, document(OK), target=target)
    assert stored(tmp_path) == []
    assert not list(tmp_path.parent.glob("escape*"))


@pytest.mark.parametrize("name", ["../x", "a/b", "Name", "", "-x"])
def test_names_that_experiments_cannot_have(machine: Machine, tmp_path: Path, name: str) -> None:
    made = document(OK)
    made["metadata"]["name"] = name
    with pytest.raises(runner.ManifestError, match=r"metadata.name: must be lower-case letters"):
        machine.run(tmp_path, made)


def test_trials_without_metrics_are_not_sent(machine: Machine, tmp_path: Path) -> None:
    service = Suggesting()
    with serving(service) as target:
        made = document("echo hello", parallelTrialCount="1", maxTrialCount="2")
        machine.run(tmp_path, made, target=target)
    assert [t.condition for t in stored(tmp_path)] == [Condition.METRICS_UNAVAILABLE] * 2
    assert [len(request.trials) for request in service.requests] == [0, 0]
    assert [request.total_request_number for request in service.requests] == [1, 2]


def test_nan_is_a_value_that_servers_hear_of(machine: Machine, tmp_path: Path) -> None:
    service = Suggesting()
    with serving(service) as target:
        made = document("echo loss=nan", parallelTrialCount="1", maxTrialCount="2")
        controller = machine.run(tmp_path, made, target=target)
    assert [t.condition for t in stored(tmp_path)] == [Condition.SUCCEEDED] * 2
    assert service.requests[1].trials[0].status.observation.metrics[0].value == "nan"
    assert controller.best is None


def test_values_by_strategy(machine: Machine, tmp_path: Path) -> None:
    service = Suggesting()
    command = "echo loss=3 acc=0.1; echo loss=1 acc=0.4; echo loss=2 acc=0.3"
    objective = {
        "type": "minimize",
        "objectiveMetricName": "loss",
        "additionalMetricNames": ["acc", "never"],
        "metricStrategies": [{"name": "acc", "value": "latest"}],
    }
    made = document(command, parallelTrialCount="1", maxTrialCount="2", objective=objective)
    with serving(service) as target:
        machine.run(tmp_path, made, target=target)
    metrics = service.requests[1].trials[0].status.observation.metrics
    assert {m.name: m.value for m in metrics} == {"loss": "1", "acc": "0.3"}


def test_the_space_is_used_up(machine: Machine, tmp_path: Path) -> None:
    """Grid has 3 points; asked for 2 after 2, it refuses; what is left is asked for."""
    made = document(OK, maxTrialCount="10", algorithm={"algorithmName": "grid"})
    made["spec"]["parameters"] = [
        {"name": "x", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}}
    ]
    made["spec"].pop("maxTrialCount")
    controller = machine.run(tmp_path, made)
    assert controller.experiment.condition()["reason"] == "ExperimentSuggestionEndReached"
    assert sorted(t.assignment["x"] for t in stored(tmp_path)) == ["1", "2", "3"]


def test_goal(machine: Machine, tmp_path: Path) -> None:
    made = document(OK, parallelTrialCount="1", maxTrialCount="50")
    made["spec"]["objective"]["goal"] = "0.5"
    controller = machine.run(tmp_path, made)
    assert controller.experiment.condition()["reason"] == "ExperimentGoalReached"
    values = [float(t.series["loss"].latest) for t in stored(tmp_path)]
    assert values[-1] <= 0.5 < min(values[:-1], default=1)


def test_too_many_failures(machine: Machine, tmp_path: Path) -> None:
    made = document("exit 3", parallelTrialCount="1", maxFailedTrialCount="2", maxTrialCount="9")
    controller = machine.run(tmp_path, made)
    assert controller.experiment.condition()["type"] == "Failed"
    assert [t.condition for t in stored(tmp_path)] == [Condition.FAILED] * 2


RULE = api.EarlyStoppingRule(name="loss", value="0.5", comparison=api.GREATER, start_step=3)
SLOW = "for i in 1 2 3 4; do echo loss=%s; done; exec sleep 60"


def test_a_trial_is_given_up(machine: Machine, tmp_path: Path) -> None:
    service, stopping = Suggesting(), Stopping([RULE])
    made = document(SLOW % "0.$((9 - i))", parallelTrialCount="1", maxTrialCount="2")
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    made["spec"]["trialTemplate"]["command"][2] = (
        "for i in 9 8 7 6; do echo loss=0.$i; done; exec sleep 60"
    )
    with serving(service) as target, serving(stopping) as early:
        controller = machine.run(tmp_path, made, target=target, early_stopping=early)
    trials = stored(tmp_path)
    assert [t.condition for t in trials] == [Condition.EARLY_STOPPED] * 2
    assert stopping.stopped == [t.name for t in trials]
    assert [v.early_stopping.algorithm_name for v in stopping.validated] == ["medianstop"]
    assert controller.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    # Rules are asked for with the trials that suggestions were asked for with.
    assert len(stopping.requests) == len(service.requests) == 2
    for rules, request in zip(stopping.requests, service.requests, strict=True):
        assert rules.experiment == request.experiment
        assert list(rules.trials) == list(request.trials)
        assert rules.db_manager_address == machine.database
    told = service.requests[1].trials[0]
    assert told.status.condition == STATUS.EARLYSTOPPED
    assert told.status.observation.metrics[0].value == "0.6"


def test_a_good_trial_goes_on(machine: Machine, tmp_path: Path) -> None:
    stopping = Stopping([RULE])
    made = document("for i in 9 4 8 7 6; do echo loss=0.$i; done", maxTrialCount="1")
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    with serving(stopping) as early:
        machine.run(tmp_path, made, early_stopping=early)
    assert [t.condition for t in stored(tmp_path)] == [Condition.SUCCEEDED]
    assert stopping.stopped == []


def test_one_that_ignores_the_signal_is_killed(machine: Machine, tmp_path: Path) -> None:
    stopping = Stopping([RULE])
    deaf = "trap '' TERM; for i in 9 8 7; do echo loss=0.$i; done; while :; do sleep 1; done"
    made = document(deaf, maxTrialCount="1")
    made["spec"]["earlyStopping"] = {"algorithmName": "medianstop"}
    options = Options(grace=0.3)
    with serving(stopping) as early:
        machine.run(tmp_path, made, early_stopping=early, options=options)
    assert [t.condition for t in stored(tmp_path)] == [Condition.EARLY_STOPPED]
    assert len(stopping.stopped) == 1


def test_the_observation_log_is_with_the_db_manager(machine: Machine, tmp_path: Path) -> None:
    from suggestion.api.v1beta1 import api_pb2_grpc  # noqa: PLC0415

    made = document("for i in 3 1 2; do echo loss=$i; done", maxTrialCount="1")
    made["metadata"]["name"] = f"log-{abs(hash(tmp_path)) % 10**9}"
    controller = machine.run(tmp_path, made)
    (trial,) = controller.trials.values()
    with grpc.insecure_channel(machine.database) as channel:
        stub = api_pb2_grpc.DBManagerStub(channel)
        reply = stub.GetObservationLog(api.GetObservationLogRequest(trial_name=trial.name))
    logs = reply.observation_log.metric_logs
    assert [entry.metric.value for entry in logs] == ["3", "1", "2"]
    times = [datetime.fromisoformat(entry.time_stamp) for entry in logs]
    assert times == sorted(set(times))


def test_a_wrong_number_of_suggestions_is_refused(machine: Machine, tmp_path: Path) -> None:
    service = Suggesting()

    def change(reply: api.GetSuggestionsReply, call: int) -> None:
        del reply.parameter_assignments[-1]

    service.change = change
    with (
        serving(service) as target,
        pytest.raises(runner.Fatal, match="asked for 2 suggestions, got 1"),
    ):
        machine.run(tmp_path, document(OK), target=target)
    assert stored(tmp_path) == []


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL])
def test_a_failed_call_is_made_again(
    machine: Machine, tmp_path: Path, code: grpc.StatusCode
) -> None:
    """The same request, so that the same suggestions come."""
    service = Suggesting()
    service.fail = lambda call: code if call in (1, 2) else None
    view = Recorder()
    with serving(service) as target:
        machine.run(tmp_path, document(OK), target=target, view=view)
    first, second, third, *_ = service.requests
    assert first == second == third
    assert len(stored(tmp_path)) == 4
    assert [note for note in view.notes if "made to fail" in note]


def test_a_refusal_names_the_line(machine: Machine, tmp_path: Path) -> None:
    made = document(OK)
    made["spec"]["parameters"][0] = {
        **made["spec"]["parameters"][0],
        "feasibleSpace": {"min": "2", "max": "1"},
    }
    with pytest.raises(runner.ExperimentRefused) as raised:
        machine.run(tmp_path, made)
    text = (tmp_path / "experiment.yaml").read_text().splitlines()
    line = next(n for n, content in enumerate(text, 1) if '"min"' in content)
    path = tmp_path / "experiment.yaml"
    told = int(str(raised.value).removeprefix(f"{path}:").partition(":")[0])
    assert abs(told - line) <= 1
    assert "parameter 'x': min must not exceed max" in str(raised.value)
    # Nothing has begun: the file can be fixed and run in the same directory.
    made["spec"]["parameters"][0]["feasibleSpace"] = {"min": "0", "max": "1"}
    machine.run(tmp_path, made)


def test_no_server_at_all(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = document(OK, algorithm={"algorithmName": "nothing-like-it"})
    with pytest.raises(runner.ManifestError, match="'nothing-like-it' is not installed"):
        machine.run(tmp_path, made, target=None, view=Plain())  # type: ignore[arg-type]
