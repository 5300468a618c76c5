"""An experiment in MLflow and in TensorBoard, read back by their own readers."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

import suggestion as sg
from suggestion.cli.main import main

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore:")]


def train(x: float, kind: str) -> float:
    for epoch in range(1, 4):
        sg.report(x / epoch, accuracy=epoch / 10)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.txt"
        model.write_text(f"{x} {kind}")
        sg.log_artifact(model, "model/weights.txt")
    if kind == "bad":
        raise ArithmeticError
    return x


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "curves"
    space = {"x": sg.uniform(1, 2, step=1), "kind": ["good", "bad"]}
    sg.tune(train, space, algorithm="grid", trials=4, parallel=2, directory=made, max_failures=9)
    return made


def test_mlflow(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    library = pytest.importorskip("mlflow", reason="mlflow is not installed")
    from suggestion.integrations import mlflow  # noqa: PLC0415

    uri = (tmp_path / "runs").as_uri()
    client = library.MlflowClient(uri, uri)
    assert mlflow.log_experiment(directory, uri) == 4
    assert mlflow.log_experiment(directory, uri) == 0
    (experiment,) = [e for e in client.search_experiments() if e.name == "train"]
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    result = sg.load_result(directory)
    assert runs.keys() == {trial.name for trial in result.trials}
    for trial in result.trials:
        run = runs[trial.name]
        assert run.data.params == {name: str(value) for name, value in trial.parameters.items()}
        assert run.info.status == ("FINISHED" if trial.value is not None else "FAILED")
        history = client.get_metric_history(run.info.run_id, "accuracy")
        assert [(m.step, m.value) for m in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    name = next(iter(runs))
    path = client.download_artifacts(runs[name].info.run_id, "model/weights.txt")
    (trial,) = (trial for trial in result.trials if trial.name == name)
    assert Path(path).read_text() == f"{trial.parameters['x']} {trial.parameters['kind']}"


def of(client: Any) -> list[Any]:
    (experiment,) = [e for e in client.search_experiments() if e.name == "train"]
    return list(client.search_runs([experiment.experiment_id]))


def test_mlflow_with_runs_of_others(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    library = pytest.importorskip("mlflow", reason="mlflow is not installed")
    from suggestion.integrations import mlflow  # noqa: PLC0415

    uri = (tmp_path / "runs").as_uri()
    client = library.MlflowClient(uri, uri)
    mlflow.log_experiment(directory, uri)
    source = of(client)[0].data.tags["suggestion.source"]
    experiment = of(client)[0].info.experiment_id
    tags = {"suggestion.trial": "cut-off", "suggestion.source": source}
    # One that was cut off is removed; one of another experiment of this name, under way, is not,
    # and its trials do not count as ours.
    client.create_run(experiment, tags=tags)
    other = client.create_run(experiment, tags={**tags, "suggestion.source": "other"})
    named = {"suggestion.trial": of(client)[-1].info.run_name, "suggestion.source": "other"}
    ended = client.create_run(experiment, tags=named)
    client.set_terminated(ended.info.run_id)
    assert mlflow.log_experiment(directory, uri) == 0
    kept = {run.info.run_id for run in of(client)}
    assert len(kept) == 6
    assert {other.info.run_id, ended.info.run_id} <= kept


def test_mlflow_has_the_best_trial_as_a_model(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    uri = "sqlite:///mlflow.db"
    for added in (4, 0):
        done = CliRunner().invoke(main, ["export", str(directory), "--mlflow", uri, "--register"])
        assert done.exit_code == 0, done.output
        assert f"added {added} trials to {uri}" in done.output
    client = library.MlflowClient(uri, uri)
    (version,) = client.search_model_versions("name = 'train'")
    best = sg.load_result(directory).best
    assert client.get_run(version.run_id).info.run_name == best.name


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """MLflow's own server, with a database and a store of artifacts; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "store")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 300
        while True:
            try:
                with urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with its workers
        process.wait()


@pytest.mark.integration
def test_a_real_server_of_mlflow(directory: Path, tmp_path: Path) -> None:
    """Parameters, curves, artifacts and the model go over HTTP, and come back from it."""
    library = pytest.importorskip("mlflow", reason="mlflow is not installed")
    if find_spec("flask") is None:
        pytest.skip("mlflow-skinny has no server")
    with mlflow_server(tmp_path) as url:
        for added in (4, 0):
            words = ["export", str(directory), "--mlflow", url, "--register"]
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 0, done.output
            assert f"added {added} trials to {url}" in done.output
        client = library.MlflowClient(url, url)
        made = client.get_experiment_by_name("train")
        result = sg.load_result(directory)
        runs = {run.info.run_name: run for run in client.search_runs([made.experiment_id])}
        assert len(runs) == 4
        for trial in result.trials:
            run = runs[trial.name]
            assert run.data.params == {k: str(v) for k, v in trial.parameters.items()}
            curve = client.get_metric_history(run.info.run_id, "accuracy")
            assert [point.value for point in curve] == [0.1, 0.2, 0.3]
            file = client.download_artifacts(run.info.run_id, "model/weights.txt", str(tmp_path))
            wanted = "{x} {kind}".format(**trial.parameters)
            assert Path(file).read_text() == wanted
        (version,) = client.search_model_versions("name = 'train'")
        assert version.run_id == runs[result.best.name].info.run_id


def test_export_needs_one_place(directory: Path) -> None:
    for words in ([], ["--optuna", "a", "--mlflow", "b"], ["--register", "--optuna", "a"]):
        done = CliRunner().invoke(main, ["export", str(directory), *words])
        assert done.exit_code == 2, done.output


def test_tensorboard_in_a_folder_that_is_mounted(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be renamed into a mounted folder from beside it."""
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from suggestion.integrations import tensorboard  # noqa: PLC0415

    mounted, rename = tmp_path / "logs", Path.rename

    def within(path: Path, target: Path) -> Path:
        if path.is_relative_to(mounted) != target.is_relative_to(mounted):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", within)
    assert tensorboard.log_experiment(directory, mounted) == 4
    assert len([*mounted.glob("*/events.out.tfevents.*")]) == len([*mounted.iterdir()]) == 4


def test_tensorboard(directory: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import (  # noqa: PLC0415
        EventAccumulator,
    )
    from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: PLC0415

    from suggestion.integrations import tensorboard  # noqa: PLC0415

    assert tensorboard.log_experiment(directory, tmp_path / "logs") == 4
    assert tensorboard.log_experiment(directory, tmp_path / "logs") == 0
    for trial in sg.load_result(directory).trials:
        read = EventAccumulator(str(tmp_path / "logs" / trial.name)).Reload()
        accuracy = [(e.step, round(e.value, 6)) for e in read.Scalars("accuracy")]
        assert accuracy == [(1, 0.1), (2, 0.2), (3, 0.3)]
        data = plugin_data_pb2.HParamsPluginData()
        content = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
        data.ParseFromString(content)
        known = data.session_start_info.hparams
        assert known["kind"].string_value == trial.parameters["kind"]
        assert known["x"].number_value == trial.parameters["x"]
