"""The study file of 2018, which ``katib-cli`` took."""

from __future__ import annotations

from typing import Any, Final

from suggestion.conversion import experiment, spaces
from suggestion.conversion.definition import Definition, Loss, aliases, plain_name, reference
from suggestion.conversion.fields import Fields

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
STOPPING: Final = {"median": "medianstop", "medianstop": "medianstop"}
# Settings that mean the same here under another name.
_SETTINGS: Final = {
    "hyperband": {"resourcename": "resource_name", "eta": "eta", "r_l": "r_l", "r": "r_l"},
    "medianstop": {"leaststep": "start_step"},
}
_TRIALS: Final = frozenset({"suggestionnum", "requestnumber"})
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
    settings, trials, parallel = read_settings(root, "suggestionparameters", algorithm)
    rules, _, _ = read_settings(root, "autostopparameters", stopping)
    builder = spaces.Builder(losses)
    configs = root.fields("parameterconfigs")
    for place, entry in configs.entries("configs"):
        read_parameter(builder, place, entry)
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


def read_settings(
    fields: Fields, key: str, algorithm: str
) -> tuple[dict[str, str], int | None, int | None]:
    """Return the settings of an algorithm, the number of trials, and how many run at a time."""
    known = _SETTINGS.get(algorithm, {})
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
        else:
            what = f"the setting {name!r}, {one.text('value')!r}, has no counterpart here"
            fields.losses.append(Loss(place, what))
        one.close()
    return settings, counts.get("trials"), counts.get(_PARALLEL)


def read_parameter(builder: spaces.Builder, place: str, entry: Any) -> None:
    """Add a parameter whose type is a number or a name."""
    if isinstance(entry, dict):
        kinds = {
            k: _TYPES.get(str(v), str(v))
            for k, v in entry.items()
            if str(k).lower() == "parametertype"
        }
        entry = {**entry, **kinds}
    experiment.read_parameter(builder, place, entry)


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
