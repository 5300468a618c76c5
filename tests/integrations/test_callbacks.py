"""Callbacks of training libraries: a small real training each; where a library is not installed,
its tests are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import suggestion as sg
from suggestion.controller.rules import GREATER
from suggestion.integrations.steps import Steps, reported
from suggestion.reporting import reporter
from suggestion.reporting.sinks import FORMAT, PATH

ROUNDS = 6
X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, :1] * 2 + 1

#: A training of `ROUNDS` rounds with a callback; what it is told to call the objective, and more.
Training = Callable[[Any], None]


def xgboost(module: Any) -> None:
    import xgboost as library  # noqa: PLC0415

    data = library.DMatrix(X, Y)
    library.train(
        {"max_depth": 2, "nthread": 1, "eval_metric": ["rmse", "mae"]},
        data,
        ROUNDS,
        evals=[(data, "valid")],
        verbose_eval=False,
        callbacks=[module.ReportCallback("valid-rmse")],
    )


def lightgbm(module: Any) -> None:
    import lightgbm as library  # noqa: PLC0415

    data = library.Dataset(X, Y.ravel())
    library.train(
        {"verbose": -1, "num_threads": 1, "metric": ["rmse", "mae"], "min_data_in_leaf": 2},
        data,
        ROUNDS,
        valid_sets=[data],
        valid_names=["valid"],
        callbacks=[module.ReportCallback("valid-rmse")],
    )


def keras(module: Any) -> None:
    import keras as library  # noqa: PLC0415

    library.utils.set_random_seed(0)
    model = library.Sequential([library.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"], optimizer="sgd")
    model.fit(X, Y, epochs=ROUNDS, verbose=0, callbacks=[module.ReportCallback("loss")])


def lightning(module: Any) -> None:
    import torch  # noqa: PLC0415
    from lightning import pytorch as library  # noqa: PLC0415

    class Line(library.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            error = self.layer(batch[0]) - batch[1]
            self.log("val/loss", (error**2).mean())
            self.log("val/mae", error.abs().mean())

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.05)

    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 16
    )
    library.Trainer(
        max_epochs=ROUNDS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[module.ReportCallback("val/loss")],
    ).fit(Line(), loader, loader)


def transformers(module: Any) -> None:
    import torch  # noqa: PLC0415
    import transformers as library  # noqa: PLC0415

    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, x: Any, labels: Any) -> Any:
            made = self.layer(x)
            return {"loss": torch.nn.functional.mse_loss(made, labels), "logits": made}

    torch.manual_seed(0)
    rows = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    library.Trainer(
        Line(),
        library.TrainingArguments(
            "out",
            num_train_epochs=ROUNDS,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            learning_rate=0.01,
            per_device_train_batch_size=64,
        ),
        train_dataset=rows,
        eval_dataset=rows,
        callbacks=[module.ReportCallback("eval_loss")],
    ).train()


TRAININGS = [
    pytest.param(training, id=training.__name__)
    for training in (xgboost, lightgbm, keras, lightning, transformers)
]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This process is a trial; yields its metrics file."""
    monkeypatch.chdir(tmp_path)
    before = reporter.current()
    yield tmp_path / "metrics.jsonl"
    reporter.enter(before)


def enter(path: Path, *, stop_at: int | None = None, ends: bool = False) -> reporter.Reporter:
    env = {PATH: str(path), FORMAT: "json", reporter.OBJECTIVE: "goal"}
    if stop_at is not None:  # a value that every report is above
        env[reporter.RULES] = json.dumps([["goal", -1e9, GREATER, stop_at]])
    made = reporter.Reporter(env, ends=ends)
    reporter.enter(made)
    return made


def reports(path: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: float(v) for k, v in line.items() if k != "timestamp"} for line in lines]


def module_of(training: Training) -> Any:
    name = f"suggestion.integrations.{training.__name__}"
    os.environ.setdefault("KERAS_BACKEND", "jax")
    reason = (
        f"{training.__name__} is not installed; make test-integrations installs what is not huge"
    )
    return pytest.importorskip(name, reason=reason, exc_type=ImportError)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("training", TRAININGS)
def test_each_round_is_reported(training: Training, trial: Path) -> None:
    module = module_of(training)
    enter(trial)
    training(module)
    found = reports(trial)
    steps = [report["step"] for report in found]
    assert len(found) == ROUNDS
    assert steps == sorted(set(steps))
    assert found[-1]["goal"] < found[0]["goal"]
    others = {name for report in found for name in report} - {"goal", "step"}
    assert others
    assert all(reported(name) == name for name in others)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("training", TRAININGS)
def test_it_stops_when_the_trial_should(training: Training, trial: Path) -> None:
    module = module_of(training)
    enter(trial, stop_at=3)
    training(module)
    assert len(reports(trial)) == 3


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:")
@pytest.mark.parametrize("training", TRAININGS)
def test_a_trial_of_tune_ends_there(training: Training, trial: Path) -> None:
    """The libraries let the exception pass."""
    module = module_of(training)
    enter(trial, ends=True)._stop = True
    with pytest.raises(sg.TrialStopped):
        training(module)
    assert len(reports(trial)) == 1


def test_names_of_metrics(trial: Path) -> None:
    enter(trial)
    steps = Steps("val/loss")
    assert not steps.report(0, {"val/loss": 1, "train loss": 2, "step": 3})
    assert not Steps(None).report(1, {"anything": 4})
    assert not Steps(None).report(2, {"goal": 5, "other": 6})
    assert not steps.report(3, {})
    assert reports(trial) == [
        {"step": 0, "goal": 1, "train_loss": 2, "step_": 3},
        {"step": 1, "goal": 4},
        {"step": 2, "goal": 5, "other": 6},
    ]


def test_a_step_without_the_objective_has_none(trial: Path) -> None:
    """Keras may validate at every second epoch only, transformers one set after the other."""
    enter(trial)
    steps = Steps("val/loss")
    with pytest.warns(UserWarning, match=r"^metric: must be one of a, b to count.*got 'val/loss'$"):
        steps.report(4, {"a": 1, "b": 2})
    steps.report(5, {"a": 1, "b": 2})
    steps.report(6, {"val/loss": 3})
    alone = Steps(None)
    alone.report(7, {"eval_a": 1})
    with pytest.warns(UserWarning, match="eval_b to count"):
        alone.report(8, {"eval_b": 2})
    assert reports(trial) == [
        {"step": 4, "a": 1, "b": 2},
        {"step": 5, "a": 1, "b": 2},
        {"step": 6, "goal": 3},
        {"step": 7, "goal": 1},
        {"step": 8, "eval_b": 2},
    ]
