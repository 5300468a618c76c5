"""OptimizationJob of Kubeflow's Trainer: what follows Katib's Experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from suggestion.conversion import experiment, spaces
from suggestion.conversion.definition import Definition, Loss, aliases, reference
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

API_VERSION: Final = "trainer.kubeflow.org/v1alpha1"
KIND: Final = "OptimizationJob"
#: Before a parameter's name in upper case: the variable in which a trial finds its value.
PREFIX: Final = "KUBEFLOW_TRAINER_OPT_"
_MOST_TRIALS: Final = 100
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_RUNTIME: Final = "torch-distributed"


def is_one(data: object) -> bool:
    """Return whether `data` is an OptimizationJob."""
    return isinstance(data, Mapping) and data.get("kind") == KIND


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what an OptimizationJob says."""
    root = Fields(data, "", losses)
    root.ignore("apiVersion", "kind", "status")
    metadata = root.fields("metadata")
    name = metadata.text("name") or metadata.text("generateName").rstrip("-.")
    metadata.ignore("generateName", "namespace", "labels", "annotations", "creationTimestamp")
    metadata.ignore("uid", "resourceVersion", "generation", "managedFields")
    spec = root.fields("spec")
    objectives = []
    for place, entry in spec.entries("objectives"):
        one = Fields(entry, place, losses)
        objectives.append((one.text("metric"), one.text("direction").lower()))
        one.close()
    if len(objectives) > 1:
        spec.lose("objectives", "there must be one")
    algorithm, settings = _algorithm(spec)
    builder = spaces.Builder(losses)
    names = []
    for place, entry in spec.entries("parameters"):
        one = Fields(entry, place, losses)
        names.append(one.text("name"))
        _parameter(builder, names[-1], place, one.fields("searchSpace"))
        one.close()
    metric, direction = objectives[0] if objectives else ("", "")
    made = Definition(
        name,
        builder.finish(),
        (),
        metric,
        direction == "maximize",
        algorithm=algorithm,
        settings=settings,
        trials=spec.whole("numTrials") or 1,
        parallel=spec.whole("parallelTrials") or 1,
        template=trial_template(spec.fields("trainJobTemplate"), names),
    )
    for fields in (spec, metadata, root):
        fields.close()
    return made


def _algorithm(spec: Fields) -> tuple[str, dict[str, str]]:
    search = spec.fields("searchAlgorithm")
    for name in ("grid", "random"):
        if name in search:
            inside = search.fields(name)
            seed = inside.text("seed")
            inside.close()
            search.close()
            return name, {"random_state": seed} if seed else {}
    search.close()
    return "random", {}


def _parameter(builder: spaces.Builder, name: str, place: str, space: Fields) -> None:
    if "categorical" in space:
        listed = space.fields("categorical")
        builder.listed(name, place, list(listed.texts("choices")), ordered=False)
        listed.close()
    elif "uniform" in space or "logUniform" in space:
        log = "logUniform" in space
        ends = space.fields("logUniform" if log else "uniform")
        whole = ends.text("type") == "Int"
        builder.ranged(name, place, ends.text("min"), ends.text("max"), whole=whole, log=log)
        ends.close()
    else:
        builder.refuse(place, "searchSpace must be one of uniform, logUniform, categorical")
    space.close()


def trial_template(job: Fields, names: list[str]) -> dict[str, Any]:
    """Return a trial template whose object is the TrainJob, with a variable for each parameter."""
    metadata = job.take("metadata")
    spec = {key: value for key, value in job.fields("spec").items() if value is not None}
    trainer = dict(job.fields("spec").fields("trainer").items())
    made = aliases(names)
    variables = [
        {"name": f"{PREFIX}{name.upper()}", "value": reference(made[name])} for name in names
    ]
    trainer["env"] = [*(trainer.get("env") or ()), *variables]
    spec["trainer"] = trainer
    job.ignore("apiVersion", "kind")
    job.close()
    return {
        "primaryContainerName": "node",
        "retain": True,
        "trialParameters": [{"name": a, "reference": n} for n, a in made.items()],
        "trialSpec": {"apiVersion": API_VERSION, "kind": "TrainJob"}
        | ({"metadata": metadata} if metadata else {})
        | {"spec": spec},
    }


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return an OptimizationJob."""
    for subject, given in (
        ("conditions", made.conditions),
        ("goal", made.target),
        ("earlyStopping", made.stopping),
        ("metricsCollectorSpec", made.collector),
        ("maxFailedTrialCount", made.failures),
        ("additionalMetricNames", made.metrics),
        *((key, value) for key, value in made.extra.items()),
    ):
        if given:
            losses.append(Loss(subject, "an OptimizationJob has nothing like it"))
    trials = made.trials or 1
    if trials > _MOST_TRIALS:
        losses.append(Loss("maxTrialCount", f"at most {_MOST_TRIALS} trials, got {trials}"))
        trials = _MOST_TRIALS
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
        "parallelTrials": min(made.parallel or 1, trials),
        "trainJobTemplate": {"spec": _train_job(made, names, losses)},
    }
    metadata = {"name": made.name}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def _search(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    settings = dict(made.settings)
    seed = settings.pop("random_state", None) or settings.pop("seed", None)
    if settings:
        losses.append(Loss("algorithm settings", f"left out: {', '.join(settings)}"))
    if made.algorithm == "grid":
        return {"grid": {}}
    if made.algorithm != "random":
        losses.append(Loss("algorithm", f"there is no {made.algorithm!r}; it is random search"))
    return {"random": {} if seed is None else {"seed": int(seed)}}


def _names(made: Definition, losses: list[Loss]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, alias in aliases([parameter.name for parameter in made.parameters]).items():
        plain = re.sub(r"\W", "_", alias, flags=re.ASCII)[:64]
        plain = plain if _NAME.fullmatch(plain) else f"_{plain}"[:64]
        while plain in names.values():
            plain = f"{plain[:60]}_{len(names)}"
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
            losses.append(Loss(parameter.name, "its steps become a list of values"))
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
    """Return the spec of the TrainJob; its command reads the variables of the parameters."""
    given = (made.template or {}).get("trialSpec")
    spec: dict[str, Any] = {}
    if isinstance(given, Mapping) and given.get("kind") == "TrainJob":
        spec = dict(given.get("spec") or {})
    if "runtimeRef" not in spec:
        losses.append(Loss("trainJobTemplate.spec.runtimeRef", f"is {_RUNTIME}; name your runtime"))
        spec["runtimeRef"] = {"name": _RUNTIME}
    container = experiment.container_of(made)
    texts = {name: f"$({PREFIX}{short.upper()})" for name, short in names.items()}
    trainer: dict[str, Any] = dict(spec.get("trainer") or {})
    for key in ("image", "command", "args"):
        if value := container.get(key):
            known = isinstance(value, list)
            trainer[key] = [experiment.substituted(w, texts) for w in value] if known else value
    env = [e for e in container.get("env") or () if isinstance(e, Mapping)]
    own = {f"{PREFIX}{short.upper()}" for short in names.values()}
    kept = [
        {**e, "value": experiment.substituted(str(e.get("value", "")), texts)}
        for e in env
        if e.get("name") not in own and "valueFrom" not in e
    ]
    trainer.pop("env", None)
    if kept:
        trainer["env"] = kept
    if limits := (container.get("resources") or {}).get("limits"):
        trainer["resourcesPerNode"] = {"limits": limits}
    if container.get("workingDir"):
        losses.append(Loss("workingDir", "a TrainJob has no working directory"))
    spec["trainer"] = trainer
    return spec
