"""Hand an experiment over to MLflow (extra ``mlflow``)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from suggestion.integrations.trials import Finished, read

T = TypeVar("T")

_TAG: Final = "suggestion.trial"
# What MLflow takes in one call.
_METRICS: Final = 1000
_PARAMETERS: Final = 100


def log_experiment(directory: str | os.PathLike[str], tracking_uri: str | None = None) -> int:
    """Log a run for each trial that has ended, and return how many were new.

    A run has the trial's parameters, every report of its metrics as a step, and its state. Trials
    that were logged before are left alone, so that it can be called while an experiment runs.

    Args:
        directory: Of an experiment of `suggestion.tune` or ``suggest run``; its name becomes that
            of the experiment in MLflow.
        tracking_uri: Of MLflow's server; None for the one that MLflow is set to.

    Raises:
        mlflow.MlflowException: If MLflow refuses something, or does not answer.
    """
    name, trials = read(Path(directory))
    client = MlflowClient(tracking_uri)
    known = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if known is None else known.experiment_id
    logged = _logged(client, experiment)
    new = [trial for trial in trials if trial.name not in logged]
    for trial in new:
        _log(client, experiment, trial)
    return len(new)


def _logged(client: MlflowClient, experiment: str) -> set[str]:
    """Return the names of trials that are logged; the run of one that is incomplete is removed."""
    names = set()
    token = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        for run in page:
            trial = run.data.tags.get(_TAG)
            if trial is not None and run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            elif trial is not None:
                names.add(trial)
        token = page.token
        if not token:
            return names


def _log(client: MlflowClient, experiment: str, trial: Finished) -> None:
    begin = trial.begin or trial.end or time.time()
    tags = {_TAG: trial.name, "suggestion.condition": trial.condition}
    run = client.create_run(
        experiment, start_time=int(begin * 1000), tags=tags, run_name=trial.name
    ).info.run_id
    for some in _parts([Param(name, str(v)) for name, v in trial.parameters.items()], _PARAMETERS):
        client.log_batch(run, params=some)
    metrics = [
        Metric(step.metric, step.value, int(step.time * 1000), step.index) for step in trial.steps
    ]
    for part in _parts(metrics, _METRICS):
        client.log_batch(run, metrics=part)
    status = "FAILED" if trial.failed else "FINISHED"
    client.set_terminated(run, status, int((trial.end or begin) * 1000))


def _parts(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(entries), size):
        yield entries[begin : begin + size]
