"""The study file of 2018, which ``katib-cli`` took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from suggestion.conversion import experiment, spaces
from suggestion.conversion.definition import Definition, Loss, aliases, plain_name, reference
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.numbers import exact

_TYPES: Final = {"1": "double", "2": "int", "3": "discrete", "4": "categorical"}
_GOALS: Final = {"1": False, "2": True, "minimize": False, "maximize": True}
#: Algorithms and rules by the names that they had.
ALGORITHMS: Final = {
    "bayesianoptimization": "bayesianoptimization",
    "bayesian_optimization": "bayesianoptimization",
    "grid": "grid",
    "hyperband": "hyperband",
    "random": "random",
}
STOPPING: Final = {"median": "medianstop", "medianstop": "medianstop", "none": ""}
# Settings that mean the same here under another name.
_SETTINGS: Final = {
    "hyperband": {"resourcename": "resource_name", "eta": "eta", "r_l": "r_l", "r": "r_l"},
    "medianstop": {"leaststep": "start_step"},
    "enas": {
        "lstm_num_cells": "controller_hidden_size",
        "init_learning_rate": "controller_learning_rate",
        "skip-target": "controller_skip_target",
        "skip-weight": "controller_skip_weight",
        "entropy_weight": "controller_entropy_weight",
        "baseline_decay": "controller_baseline_decay",
    },
}
#: Settings of the grid that say how many values a number has, beside those named after one.
_GRID_DEFAULT: Final = frozenset({"griddefault", "defaultgrid"})
_TRIALS: Final = frozenset({"suggestionnum", "requestnumber"})
_NO_GRID: Final[Mapping[str, int]] = MappingProxyType({})
_PARALLEL: Final = "maxparallel"
_DEFAULT_SCHEDULER: Final = "default-scheduler"


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what a study file says; its fields are those of the StudyConfig message of v0.1."""
    root = Fields(data, "", losses)
    goal = root.text("optimizationtype")
    if goal not in _GOALS:
        root.lose("optimizationtype", f"must be 1 (minimise) or 2 (maximise), got {goal!r}")
    algorithm = root.known(ALGORITHMS, "suggestalgorithm")
    stopping = root.known(STOPPING, "autostopalgorithm")
    grid = read_grid(root, "suggestionparameters", algorithm)
    settings, trials, parallel = read_settings(root, "suggestionparameters", algorithm, grid)
    rules, _, _ = read_settings(root, "autostopparameters", stopping)
    builder = spaces.Builder(losses)
    configs = root.fields("parameterconfigs")
    for place, entry in configs.entries("configs"):
        read_parameter(builder, place, entry, grid)
    configs.close()
    parameters = builder.finish()
    metric = root.text("objectivevaluename")
    made = Definition(
        plain_name(root.text("name")),
        parameters,
        (),
        metric,
        _GOALS.get(goal),
        root.number("optimizationgoal"),
        tuple(name for name in root.texts("metrics") if name != metric),
        algorithm,
        settings,
        stopping,
        rules,
        trials,
        parallel,
        template=_template(root, [p.name for p in parameters], bool(stopping)),
    )
    root.close()
    return made


def renamed(algorithm: str) -> Mapping[str, str]:
    """Return what settings of an algorithm are called here, by their names in lower case."""
    return _SETTINGS.get(algorithm, {})


def read_grid(fields: Fields, key: str, algorithm: str) -> dict[str, int]:
    """Return how many values of each number a grid has, by name; "" for all others."""
    grid: dict[str, int] = {}
    if algorithm != "grid":
        return grid
    for place, entry in fields.entries(key):
        one = Fields(entry, place, [])
        name = one.text("name")
        value = one.text("value")
        # A grid of one value is no grid.
        if name.lower() not in (*_TRIALS, _PARALLEL) and value.isdecimal() and int(value) > 1:
            grid["" if name.lower() in _GRID_DEFAULT else name] = int(value)
    return grid


def read_settings(
    fields: Fields, key: str, algorithm: str, grid: Mapping[str, int] = _NO_GRID
) -> tuple[dict[str, str], int | None, int | None]:
    """Return the settings of an algorithm, the number of trials, and how many run at a time.

    Args:
        grid: What `read_grid` has returned: it is no setting.
    """
    known = renamed(algorithm)
    settings: dict[str, str] = {}
    counts: dict[str, int | None] = {}
    for place, entry in fields.entries(key):
        one = Fields(entry, place, fields.losses)
        name = one.text("name")
        plain = name.lower()
        if plain in known:
            settings[known[plain]] = one.text("value")
        elif plain in _TRIALS or plain == _PARALLEL:
            counts[_PARALLEL if plain == _PARALLEL else "trials"] = one.whole("value")
        elif ("" if plain in _GRID_DEFAULT else name) in grid:
            one.ignore("value")
        else:
            what = f"the setting {name!r}, {one.text('value')!r}, has no counterpart here"
            fields.losses.append(Loss(place, what))
        one.close()
    return settings, counts.get("trials"), counts.get(_PARALLEL)


def read_parameter(
    builder: spaces.Builder, place: str, entry: Any, grid: Mapping[str, int] = _NO_GRID
) -> None:
    """Add a parameter whose type is a number or a name.

    Args:
        grid: How many values it has, as `read_grid` returns it.
    """
    if isinstance(entry, dict):
        kinds = {
            k: _TYPES.get(str(v), str(v))
            for k, v in entry.items()
            if str(k).lower() == "parametertype"
        }
        entry = {**entry, **kinds}
        if "double" in kinds.values():
            entry = _with_step(builder, place, entry, grid)
    experiment.read_parameter(builder, place, entry)


def _with_step(
    builder: spaces.Builder, place: str, entry: dict[Any, Any], grid: Mapping[str, int]
) -> dict[Any, Any]:
    """Return a double whose step is that of its grid, which has both ends."""
    count = grid.get(str(entry.get("name")), grid.get("", 0))
    feasible = entry.get("feasible")
    if not count or not isinstance(feasible, dict):
        return entry
    ends = [exact(scalar(feasible.get(key))) for key in ("min", "max")]
    if ends[0] is None or ends[1] is None or ends[0] >= ends[1]:
        return entry
    width = (ends[1] - ends[0]) / (count - 1)
    # Rounded down, so that the last value is in the range.
    step = f"{Decimal(math.floor(width * 10**12)).scaleb(-12).normalize():f}"
    if exact(step) != width:
        builder.losses.append(Loss(place, f"the step of its grid, {count} values, is {step}"))
    return {**entry, "feasible": {**feasible, "step": step}}


def _template(root: Fields, names: list[str], retain: bool) -> dict[str, Any] | None:
    """Return the Job that a worker was, with all that the file says of it; None without a command.

    A worker got each parameter as ``NAME=VALUE`` behind its command.
    """
    command, image = root.texts("command"), root.text("image")
    scheduler, secret = root.text("scheduler"), root.text("pullsecret")
    mount = root.fields("mount")
    claim, path = mount.text("pvc"), mount.text("path")
    mount.close()
    gpus = root.whole("gpu")
    words = [f"{name}={reference(alias)}" for name, alias in aliases(names).items()]
    container: dict[str, Any] = {"name": experiment.CONTAINER, "image": image}
    if command:
        container["command"] = list(command)
    container["args"] = words
    pod: dict[str, Any] = {}
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": gpus}}
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": path}]
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    if secret:
        pod["imagePullSecrets"] = [{"name": secret}]
    if scheduler and scheduler != _DEFAULT_SCHEDULER:
        pod["schedulerName"] = scheduler
    declared = {"trialParameters": [{"name": a, "reference": n} for n, a in aliases(names).items()]}
    if image:
        return experiment.job(container, declared, pod, retain)
    return {"command": [*command, *words], **declared} if command else None
