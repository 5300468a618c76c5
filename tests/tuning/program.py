"""A program of a user, in which no expression may be Any.

It is never run: `make lint` checks it, and fails if a part of the public face has no type.
"""
# mypy: disallow-any-expr, disallow-any-explicit, disallow-any-decorated

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import suggestion as sg


def train(lr: float, layers: int, optimizer: str) -> dict[str, float]:
    for epoch in range(3):
        sg.report(lr, step=epoch, accuracy=lr)
        if sg.should_stop():
            break
    sg.log_artifact("model.bin")
    return {"loss": lr * layers, "latency": float(len(optimizer))}


@dataclass
class Hints:
    lr: Annotated[float, sg.log_uniform(1e-5, 1e-1)]
    kind: Literal["a", "b"] = "a"


SPACE: Mapping[str, object] = {
    "lr": sg.log_uniform(1e-5, 1e-1),
    "layers": sg.integer(1, 4, step=1),
    "optimizer": sg.choice(["sgd", "adam"]),
    "width": sg.log_integer(1, 8),
    "batch": sg.discrete([16, 32]),
    "a": sg.uniform(0, 1, step=0.5),
    "b": sg.normal(0, 1),
    "c": sg.log_normal(1, 2),
}


def tune() -> None:
    try:
        result = sg.tune(
            train,
            SPACE,
            algorithm="nsga2",
            settings={"flag": True, "text": "x", "none": None},
            seed=1,
            objectives={"loss": "minimize", "latency": "minimize"},
            metric_constraints=["memory <= 8e9"],
            goal=0.1,
            trials=3,
            time=60,
            parallel=2,
            stop="asha",
            stop_settings={"eta": 2},
            gpus=[0, "1"],
            directory=Path("runs/x"),
            conditions="lr if optimizer == 'sgd'",
            constraints=["layers <= 3"],
            initial_points=[{"lr": 0.1}],
            learn_from=["runs/y", sg.load_result("runs/z"), sg.Study(SPACE)],
        )
    except (sg.TrialError, sg.NoResult, sg.TrialStopped, sg.SpaceExhausted, sg.ServerError) as e:
        print(e)
        return
    for trial in (result.best, *result.front, *result.trials):
        print(trial.number, trial.name, trial.state is sg.State.FAILED, trial.state.ended)
        print(trial.parameters["lr"], trial.value, trial.metrics["loss"], trial.objectives)
        print(trial.violations, trial.feasible, trial.error, trial.duration, trial.output)
    print(result.directory, result.complete, result.reason, result.metric, result.maximize)
    print(result.objectives, result.constraints, repr(result))
    plot = result.plot()
    print(plot.html, plot.save("plot.html"))
    print(result.experiment_file("e.yaml", image="x", command=["a"], namespace="n"))


def ask() -> None:
    tls = sg.TLS("ca.pem", certificate="c.pem", key="k.pem", name="n")
    try:
        study = sg.Study(Hints, maximize="accuracy", target="localhost:1", tls=tls, timeout=3.0)
    except sg.InvalidArgument as error:
        print([(rule.place, rule.rule) for rule in error.broken])
        return
    point = study.ask()
    print(point.number, point.name, point.labels, point.as_float("lr"), point["lr"], dict(point))
    study.tell(point, {"accuracy": 1.0})
    study.tell({"lr": 0.1, "kind": point.call(Hints).kind}, None)
    study.save("s.json")
    again = sg.Study.load(Path("s.json"), SPACE)
    print(again.trials, again.running, again.best, again.front, again.name, len(again), again)
    with sg.LocalServer(["tpe"]) as server:
        print(server.address())


print(sg.__version__)
