"""Every kind of metrics collector, with the trial's program on the other side."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from suggestion import collectors
from suggestion.client.collector import Collector as Settings
from suggestion.client.schema import COLLECTORS
from suggestion.collectors.lines import JSON_NUMBER
from suggestion.controller.slots import divide
from suggestion.controller.trials import Condition
from suggestion.runner import runner
from tests.experiments.support import Machine, Recorder, document, stored


def collector(kind: str, path: str = "", format: str = "TEXT", *filters: str) -> dict[str, Any]:
    source: dict[str, Any] = {}
    if path:
        source["fileSystemPath"] = {"path": path, "kind": "File", "format": format}
    if filters:
        source["filter"] = {"metricsFormat": list(filters)}
    return {"collector": {"kind": kind}, "source": source}


def values(folder: Path) -> list[tuple[str, str]]:
    """Parameter and value of each trial."""
    return [(t.assignment["x"], t.series["loss"].latest) for t in stored(folder)]


@pytest.mark.parametrize("kind", COLLECTORS)
def test_every_collector_reads_nothing_where_nothing_is(tmp_path: Path, kind: str) -> None:
    if kind == "TensorFlowEvent":
        pytest.importorskip("tensorboard")
    made = collectors.collector(Settings(kind, "/trial/metrics", json=False, filters=()), ["loss"])
    path = tmp_path / "new" / "metrics"
    made.prepare(path)
    assert {type(made.pushed), type(made.reads_output)} == {bool}
    source = made.source(tmp_path / "output", path, None)
    assert made.pushed or source is None or source.read(last=True) == []
    if source is not None:
        json.dumps(source.position)
        assert not source.behind


def test_a_text_file_of_each_trial(machine: Machine, tmp_path: Path) -> None:
    """All trials write to "the same" path, side by side, as each of their pods would."""
    path = "/katib/mnist.log"
    command = f"for i in 1 2 3; do echo loss=9 >>{path}; sleep 0.1; done; "
    command += f"echo loss=${{trialParameters.x}} >>{path}; echo loss=7"
    made = document(command, parallelTrialCount="4", metricsCollectorSpec=collector("File", path))
    view = Recorder()
    machine.run(tmp_path, made, view=view)
    assert all(x == value for x, value in values(tmp_path))
    assert all(t.series["loss"].count == 4 for t in stored(tmp_path))
    assert not Path(path).exists()
    assert view.about_this_machine == []


def test_a_path_that_the_command_does_not_name(machine: Machine, tmp_path: Path) -> None:
    command = 'echo loss=${trialParameters.x} >"$SUGGEST_METRICS_PATH"'
    view = Recorder()
    made = document(command, metricsCollectorSpec=collector("File", "/logs/m"))
    machine.run(tmp_path, made, view=view)
    assert all(x == value for x, value in values(tmp_path))
    assert ["does not name /logs/m" in note for note in view.about_this_machine] == [True]


def test_json_lines(machine: Machine, tmp_path: Path) -> None:
    command = 'echo \'{"epoch": 1, "loss": ${trialParameters.x}}\' >>/m/log.json'
    made = document(command, metricsCollectorSpec=collector("File", "/m/log.json", "JSON"))
    view = Recorder()
    machine.run(tmp_path, made, view=view)
    assert all(x == value for x, value in values(tmp_path))
    assert view.about_this_machine == [JSON_NUMBER]  # once, not for each trial


def test_own_filters(machine: Machine, tmp_path: Path) -> None:
    own = collector("StdOut", "", "", r"(\w+) is ([\d.e+-]+)")
    made = document("echo loss=5; echo loss is ${trialParameters.x}", metricsCollectorSpec=own)
    machine.run(tmp_path, made)
    assert all(x == value for x, value in values(tmp_path))


def test_without_a_collector(machine: Machine, tmp_path: Path) -> None:
    made = document("echo loss=1", metricsCollectorSpec=collector("None"))
    machine.run(tmp_path, made)
    assert {t.condition for t in stored(tmp_path)} == {Condition.METRICS_UNAVAILABLE}


PUSH = """
import grpc, os, sys
from suggestion.api.v1beta1 import api_pb2 as api, api_pb2_grpc
with grpc.insecure_channel(os.environ["SUGGEST_DB_MANAGER"]) as channel:
    metric = api.Metric(name="loss", value=sys.argv[1])
    entry = api.MetricLog(time_stamp="2026-11-21T10:00:00Z", metric=metric)
    log = api.ObservationLog(metric_logs=[entry])
    request = api.ReportObservationLogRequest(
        trial_name=os.environ["KATIB_TRIAL_NAME"], observation_log=log)
    api_pb2_grpc.DBManagerStub(channel).ReportObservationLog(request)
"""


def test_trials_that_push(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "push.py").write_text(PUSH)
    command = [sys.executable, "push.py", "${trialParameters.x}"]
    made = document(command, maxTrialCount="2", metricsCollectorSpec=collector("Push"))
    made["metadata"]["name"] = f"push-{os.getpid()}-{abs(hash(tmp_path)) % 10**6}"
    machine.run(tmp_path, made)
    assert all(x == value for x, value in values(tmp_path))


EVENTS = """
import sys, time
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
writer = EventFileWriter(sys.argv[1] + "/test")
for step, value in enumerate([3.0, 2.0, float(sys.argv[2])]):
    summary = Summary(value=[Summary.Value(tag="loss", simple_value=value)])
    writer.add_event(Event(step=step, wall_time=time.time(), summary=summary))
writer.close()
"""


def test_tensorflow_events(machine: Machine, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    (tmp_path / "events.py").write_text(EVENTS)
    command = [sys.executable, "-W", "ignore", "events.py", "/train/logs", "${trialParameters.x}"]
    made = document(command, maxTrialCount="2")
    made["spec"]["objective"]["objectiveMetricName"] = "test/loss"
    made["spec"]["metricsCollectorSpec"] = collector("TensorFlowEvent", "/train/logs")
    machine.run(tmp_path, made)
    for trial in stored(tmp_path):
        assert trial.series["test/loss"].count == 3
        assert float(trial.series["test/loss"].min) == pytest.approx(
            float(trial.assignment["x"]), rel=1e-6
        )


@pytest.mark.parametrize("kind", ["PrometheusMetric", "Custom"])
def test_what_cannot_be_run_here(machine: Machine, tmp_path: Path, kind: str) -> None:
    with pytest.raises(runner.ManifestError, match=f"cannot be run here; .*got {kind}"):
        machine.run(tmp_path, document("x", metricsCollectorSpec=collector(kind)))


def test_gpus_are_handed_out(machine: Machine, tmp_path: Path) -> None:
    """Two trials at a time, and no GPU to two of them at once."""
    used = tmp_path / "used"
    command = (
        f"echo begin $CUDA_VISIBLE_DEVICES >>{used}; sleep 0.1; "
        f"echo end $CUDA_VISIBLE_DEVICES >>{used}; echo loss=1"
    )
    view = Recorder()
    made = document(command, parallelTrialCount="3", maxTrialCount="6")
    machine.run(tmp_path, made, view=view, gpus=["3", "5", "7", "9", "11"], gpus_each=2)
    busy: set[str] = set()
    seen = set()
    for line in used.read_text().splitlines():
        event, _, gpus = line.partition(" ")
        assert (gpus in busy) == (event == "end")
        busy ^= {gpus}
        seen.add(gpus)
    assert seen == {"3,5", "7,9"}
    assert "there is room for 2 trials at a time" in view.notes


def test_cpus_are_handed_out(machine: Machine, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print('loss=%d' % len(os.sched_getaffinity(0)))"]
    made = document(command, parallelTrialCount="1", maxTrialCount="1")
    machine.run(tmp_path, made, cpus_each=1)
    assert stored(tmp_path)[0].series["loss"].latest == "1"


def test_slots() -> None:
    assert [slot.env() for slot in divide(2, None, 1, 0)] == [
        {"SUGGEST_SLOT": "0"},
        {"SUGGEST_SLOT": "1"},
    ]
    assert divide(1, [], 0, 0)[0].env()["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(ValueError, match="a trial needs 2 GPUs, got 1"):
        divide(1, ["0"], 2, 0)
    with pytest.raises(ValueError, match="a trial needs 100000 CPUs"):
        divide(1, None, 1, 100000)
