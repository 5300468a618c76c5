"""OptimizationJob of Kubeflow's Trainer: what follows Katib's Experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from suggestion.client import optimizationjob as client
from suggestion.conversion import experiment, spaces
from suggestion.conversion.definition import ConversionError, Definition, Loss, aliases
from suggestion.conversion.fields import scalar
from suggestion.problem.errors import quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.locations import dotted
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

# What `write` deals with itself.
_HELD: Final = (
    "name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "objective",
    "algorithm",
    "algorithm settings",
    "maxTrialCount",
    "parallelTrialCount",
    "trialTemplate",
)
# Of an Experiment that does not say it.
_PARALLEL: Final = 3
_RUNTIME: Final = "torch-distributed"
# What the trainer of a TrainJob calls the fields of a container.
_TRAINER: Final = {
    "command": "command",
    "args": "args",
    "image": "image",
    "resources": "resourcesPerNode",
}


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what an OptimizationJob says.

    Raises:
        ConversionError: If it has not the shape that it should have.
    """
    broken = client.problems(data)
    if broken:
        raise ConversionError([Loss(dotted(where) or "the file", rule) for where, rule in broken])
    return experiment.read(client.experiment(data), losses)


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return an OptimizationJob."""
    made.lose(losses, "an OptimizationJob has nothing like it", *_HELD)
    most = client.MOST_TRIALS
    if made.trials is None or made.trials > most:
        given = "no end" if made.trials is None else str(made.trials)
        losses.append(Loss("maxTrialCount", f"is {most}, the most that there can be, got {given}"))
    trials = min(made.trials or most, most)
    parallel = min(made.parallel or _PARALLEL, trials)
    if parallel != made.parallel:
        given = str(made.parallel or "none")
        losses.append(Loss("parallelTrialCount", f"is {parallel}, got {given}"))
    names = _names(made, losses)
    spec = {
        "objectives": [
            {"metric": made.metric, "direction": "Maximize" if made.maximize else "Minimize"}
        ],
        "searchAlgorithm": _search(made, losses),
        "parameters": [
            {"name": names[p.name], "searchSpace": _written(p, losses)} for p in made.parameters
        ],
        "numTrials": trials,
        "parallelTrials": parallel,
        "trainJobTemplate": _train_job(made, names, losses),
    }
    metadata = {"name": made.name, **made.metadata}
    return {
        "apiVersion": client.API_VERSION,
        "kind": client.KIND,
        "metadata": metadata,
        "spec": spec,
    }


def _search(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    settings = dict(made.settings)
    seed = settings.pop("random_state", None) or settings.pop("seed", None)
    if settings:
        losses.append(Loss("algorithm settings", f"left out: {', '.join(settings)}"))
    if made.algorithm not in ("grid", "random"):
        losses.append(Loss("algorithm", f"there is no {made.algorithm!r}; it is random search"))
    whole = seed is not None and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", seed)
    if seed is not None and (made.algorithm == "grid" or not whole):
        losses.append(Loss("algorithm settings", f"a seed is left out, got {quote(seed)}"))
    if made.algorithm == "grid":
        return {"grid": {}}
    return {"random": {"seed": int(seed)} if seed is not None and whole else {}}


def _names(made: Definition, losses: list[Loss]) -> dict[str, str]:
    names: dict[str, str] = {}
    variables: set[str] = set()  # in upper case, where more names are alike
    for name, alias in aliases([parameter.name for parameter in made.parameters]).items():
        first = re.sub(r"\W", "_", alias, flags=re.ASCII)
        first = plain = (first if client.NAME.fullmatch(first) else f"_{first}")[:64]
        number = 1
        while plain.upper() in variables:
            number += 1
            plain = f"{first[:56]}_{number}"
        variables.add(plain.upper())
        if plain != name:
            losses.append(Loss(name, f"is called {plain} in an OptimizationJob"))
        names[name] = plain
    return names


def _written(parameter: Parameter, losses: list[Loss]) -> dict[str, Any]:
    if isinstance(parameter, Discrete | Categorical):
        if isinstance(parameter, Discrete):
            losses.append(Loss(parameter.name, "the order of its values is not known there"))
        return {"categorical": {"choices": list(parameter.values)}}
    assert isinstance(parameter, Double | Int)
    if spaces.stepped(parameter):
        listed = spaces.lattice(parameter)
        if listed is not None:
            losses.append(Loss(parameter.name, spaces.listing(parameter)))
            return {"categorical": {"choices": [scalar(value) for value in listed]}}
        losses.append(Loss(parameter.name, "an OptimizationJob has no steps; they are left out"))
    distribution = parameter.distribution
    if distribution.is_normal:
        losses.append(Loss(parameter.name, "there is no normal distribution; it is uniform"))
    kind = "logUniform" if distribution.is_log else "uniform"
    if parameter.min == parameter.max:
        return {"categorical": {"choices": [scalar(parameter.min)]}}
    ends: dict[str, Any] = {"min": scalar(parameter.min), "max": scalar(parameter.max)}
    if isinstance(parameter, Int):
        ends["type"] = "Int"
    return {kind: ends}


def _train_job(made: Definition, names: Mapping[str, str], losses: list[Loss]) -> dict[str, Any]:
    """Return the template of the TrainJob; its command reads the variables of the parameters."""
    given = (made.template or {}).get("trialSpec") or {}
    own_kind = given.get("kind") == "TrainJob"
    inner = given.get("spec")
    spec: dict[str, Any] = {**inner} if own_kind and isinstance(inner, Mapping) else {}
    if "runtimeRef" not in spec:
        losses.append(Loss("trainJobTemplate.spec.runtimeRef", f"is {_RUNTIME}; name your runtime"))
        spec["runtimeRef"] = {"name": _RUNTIME}
    container = experiment.container_of(made, losses, kept=own_kind)
    texts = {name: f"$({client.PREFIX}{short.upper()})" for name, short in names.items()}
    said = spec.get("trainer")
    trainer: dict[str, Any] = {**said} if isinstance(said, Mapping) else {}
    container = experiment.substituted(container, texts)
    variables = {f"{client.PREFIX}{short.upper()}" for short in names.values()}
    trainer["env"] = [e for e in container.pop("env", ()) if e["name"] not in variables]
    for key, value in container.items():
        if key in _TRAINER:
            trainer[_TRAINER[key]] = value
        elif key not in trainer and key != "name":
            losses.append(Loss(f"trialTemplate: {key}", "a TrainJob's trainer has nothing like it"))
    if not trainer["env"]:
        del trainer["env"]
    spec["trainer"] = trainer
    metadata = {"metadata": given["metadata"]} if own_kind and given.get("metadata") else {}
    return {**metadata, "spec": spec}
