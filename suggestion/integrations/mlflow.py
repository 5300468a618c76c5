"""Hand an experiment over to MLflow (extra ``mlflow``)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from suggestion.artifacts import keeper, places
from suggestion.artifacts.lists import Listing, Lists
from suggestion.integrations.trials import Finished, read
from suggestion.views import status

T = TypeVar("T")

_TRIAL: Final = "suggestion.trial"
#: Which experiment a run is of: several may have one name, and one MLflow.
_SOURCE: Final = "suggestion.source"
# What MLflow takes in one call.
_METRICS: Final = 1000
_PARAMETERS: Final = 100


def log_experiment(
    directory: str | os.PathLike[str], tracking_uri: str | None = None, *, register: bool = False
) -> int:
    """Log a run for each trial that has ended, and return how many were new.

    A run has the trial's parameters, every report of its metrics as a step, its artifacts and its
    state. Trials that were logged before are left alone, so that it can be called while an
    experiment runs; runs of other experiments of the same name are never touched.

    Args:
        directory: Of an experiment of `suggestion.tune` or ``suggest run``; its name becomes that
            of the experiment in MLflow.
        tracking_uri: Of MLflow's server; None for the one that MLflow is set to.
        register: Whether the artifacts of the best trial become a version of the registered model
            of the experiment's name, unless they are its latest version already.

    Raises:
        mlflow.MlflowException: If MLflow refuses something, or does not answer.
    """
    root = Path(directory)
    with _alone(root):
        name, trials = read(root)
        client = MlflowClient(tracking_uri, tracking_uri)
        known = client.get_experiment_by_name(name)
        experiment = client.create_experiment(name) if known is None else known.experiment_id
        log = _Log(client, experiment, _source(root), root)
        logged = log.logged()
        new = [trial for trial in trials if trial.name not in logged]
        for trial in new:
            logged[trial.name] = log.add(trial)
        if register:
            _register(client, name, root, logged)
        return len(new)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Wait until nobody else logs this experiment: what they have begun must not be taken for
    what was cut off.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _source(directory: Path) -> str:
    """Return what tells an experiment from others of its name, wherever its directory is moved."""
    experiment, _ = status.load(directory)
    made = f"{experiment.name} {experiment.started}"
    return hashlib.sha256(made.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Log:
    """The runs of one experiment.

    Attributes:
        experiment: Its id in MLflow.
        source: Which of those of its name it is.
    """

    client: MlflowClient
    experiment: str
    source: str
    directory: Path

    def logged(self) -> dict[str, str]:
        """Return the runs of trials by name; this experiment's incomplete ones are removed.

        Runs of a version before do not say of which experiment they are: they count as this one's,
        and are never removed.
        """
        found: dict[str, str] = {}
        token = None
        while True:
            page = self.client.search_runs([self.experiment], page_token=token)
            for run in page:
                tags = run.data.tags
                if _TRIAL not in tags or tags.get(_SOURCE, self.source) != self.source:
                    continue
                if run.info.status != "RUNNING":
                    found[tags[_TRIAL]] = run.info.run_id
                elif _SOURCE in tags:
                    self.client.delete_run(run.info.run_id)
            token = page.token
            if not token:
                return found

    def add(self, trial: Finished) -> str:
        """Log a trial, and return the id of its run."""
        begin = trial.begin or trial.end or time.time()
        tags = {
            _TRIAL: trial.name,
            _SOURCE: self.source,
            "suggestion.condition": trial.condition,
        }
        client = self.client
        run: str = client.create_run(
            self.experiment, start_time=int(begin * 1000), tags=tags, run_name=trial.name
        ).info.run_id
        values = [Param(name, str(value)) for name, value in trial.parameters.items()]
        for some in _parts(values, _PARAMETERS):
            client.log_batch(run, params=some)
        metrics = [
            Metric(step.metric, step.value, int(step.time * 1000), step.index)
            for step in trial.steps
        ]
        for part in _parts(metrics, _METRICS):
            client.log_batch(run, metrics=part)
        listing = Lists(self.directory).read(trial.name)
        if listing is not None and listing.artifacts:
            self._upload(run, listing)
        state = "FAILED" if trial.failed else "FINISHED"
        client.set_terminated(run, state, int((trial.end or begin) * 1000))
        return run

    def _upload(self, run: str, listing: Listing) -> None:
        with tempfile.TemporaryDirectory(prefix="suggest-") as folder:
            for _ in keeper.download(places.place(self.directory), listing, Path(folder)):
                pass
            self.client.log_artifacts(run, folder)


def _register(client: MlflowClient, name: str, directory: Path, runs: dict[str, str]) -> None:
    """Make the artifacts of the best trial a version of the registered model."""
    from suggestion.controller import objectives  # noqa: PLC0415

    experiment, trials = status.load(directory)
    objective = objectives.read(experiment.document)
    kept = keeper.Keeper(directory, places.place(directory), objective)
    best = kept.best(trials)
    listing = None if best is None else Lists(directory).read(best.name)
    if best is None or listing is None or not listing.artifacts or best.name not in runs:
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    run = runs[best.name]
    versions = client.search_model_versions(f"name = '{name}'")
    latest = max(versions, key=lambda version: int(version.version), default=None)
    if latest is None or latest.run_id != run:
        client.create_model_version(name, client.get_run(run).info.artifact_uri, run)


def _parts(entries: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for begin in range(0, len(entries), size):
        yield entries[begin : begin + size]
