"""An experiment in MLflow and in TensorBoard, read back by their own readers."""

from __future__ import annotations

from pathlib import Path

import pytest

import suggestion as sg

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:")]


def train(x: float, kind: str) -> float:
    for epoch in range(1, 4):
        sg.report(x / epoch, accuracy=epoch / 10)
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
    client = library.MlflowClient(uri)
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
    # One that was cut off is logged again.
    client.create_run(experiment.experiment_id, tags={"suggestion.trial": "cut-off"})
    mlflow.log_experiment(directory, uri)
    assert len(client.search_runs([experiment.experiment_id])) == 4


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
