"""`suggest run` with an OptimizationJob, and what its controller asks of our servers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.client.test_optimizationjob import JOB
from tests.experiments.support import Machine, Recorder, stored


def test_an_optimization_job_runs_as_it_is(machine: Machine, tmp_path: Path) -> None:
    job = json.loads(json.dumps(JOB))
    job["spec"]["parallelTrials"] = 1
    trainer = job["spec"]["trainJobTemplate"]["spec"]["trainer"]
    script = 'test "$KUBEFLOW_TRAINER_OPT_KIND" != a || exit 3; echo accuracy=$0'
    trainer |= {"command": ["sh", "-c", script], "args": ["$(KUBEFLOW_TRAINER_OPT_LR)"]}
    view = Recorder()
    controller = machine.run(tmp_path, job, view=view)
    trials = stored(tmp_path)
    assert len(trials) == 4
    for trial in trials:
        failed = trial.assignment["kind"] == "a"
        assert trial.condition.value == ("Failed" if failed else "Succeeded")
    assert {trial.assignment["kind"] for trial in trials} == {"a", "b"}
    assert controller.best is not None
    assert view.notes == ["ignored: cluster only: runtimeRef"]
