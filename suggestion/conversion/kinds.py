"""The systems whose files are read and written, and how a file's own is recognised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from suggestion.client import schema
from suggestion.client.optimizationjob import is_one
from suggestion.conversion import (
    alpha,
    experiment,
    nni,
    optimizationjob,
    optuna,
    raytune,
    study2018,
    vizier,
    wandb,
)
from suggestion.conversion.definition import Definition, Loss


@dataclass(frozen=True, slots=True)
class System:
    """Files of one kind.

    Attributes:
        title: What it is called in messages.
        recognises: Whether data is of this kind.
        read: Makes a definition of data, and adds what is left out.
        write: Makes data of a definition; None if files of this kind are only read.
        texts: Scalars are read as they were written, since ``0.10`` may be a category.
        json: Files are written as JSON; else as YAML.
        space_only: Files that are written hold a search space, and nothing else.
    """

    title: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, list[Loss]], Definition]
    write: Callable[[Definition, list[Loss]], Any] | None = None
    texts: bool = False
    json: bool = False
    space_only: bool = False


def _version(*versions: str) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, Mapping) and data.get("apiVersion") in versions


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda data: isinstance(data, Mapping) and all(key in data for key in keys)


def _some(test: Callable[[object], bool]) -> Callable[[Any], bool]:
    """Whether a mapping has values that pass a test, at any depth of mappings."""

    def found(data: Any) -> bool:
        values = data.values() if isinstance(data, Mapping) else ()
        return any(test(value) or found(value) for value in values)

    return found


def _is_vizier(data: Any) -> bool:
    if not isinstance(data, Mapping):
        return False
    spec = next((data[key] for key in ("studySpec", "study_spec") if key in data), data)
    listed = spec.get("parameters") if isinstance(spec, Mapping) else None
    return isinstance(listed, list) and any(
        isinstance(entry, Mapping) and {"parameterId", "parameter_id"} & set(entry)
        for entry in listed
    )


def _is_nni(data: Any) -> bool:
    return (
        nni.is_space(data)
        or (isinstance(data, Mapping) and "searchSpace" in data)
        or (_has("searchSpaceFile", "trialCommand")(data))
    )


#: In the order in which a file is looked at.
SYSTEMS: Final[Mapping[str, System]] = {
    "experiment": System(
        "an Experiment",
        _version(schema.API_VERSION),
        experiment.read,
        experiment.write,
        texts=True,
    ),
    "katib": System(
        "an Experiment for a cluster",
        lambda _: False,
        experiment.read,
        experiment.write_for_cluster,
        texts=True,
    ),
    "katib-alpha": System(
        "an object of Katib's v1alpha1 to v1alpha3",
        _version(*alpha.VERSIONS),
        alpha.read,
        texts=True,
    ),
    "katib-2018": System(
        "a study file of 2018",
        lambda data: _has("parameterconfigs")(data) and "apiVersion" not in data,
        study2018.read,
        texts=True,
    ),
    "optimizationjob": System(
        "an OptimizationJob",
        is_one,
        optimizationjob.read,
        optimizationjob.write,
        texts=True,
    ),
    "optuna": System(
        "Optuna's distributions",
        lambda data: (
            isinstance(data, Mapping)
            and bool(data)
            and all(map(optuna.is_distribution, data.values()))
        ),
        optuna.read,
        optuna.write,
        json=True,
        space_only=True,
    ),
    "nni": System("NNI's search space", _is_nni, nni.read, nni.write, json=True, space_only=True),
    "vizier": System("Vizier's StudySpec", _is_vizier, vizier.read, vizier.write, json=True),
    "wandb": System("a sweep of W&B", _has("method", "parameters"), wandb.read, wandb.write),
    "raytune": System(
        "a search space of Ray Tune",
        _some(raytune.is_call),
        raytune.read,
        raytune.write,
        space_only=True,
    ),
}


def recognise(typed: Any, texts: Any) -> str | None:
    """Return the name of the system whose file this is; None if it is none.

    Args:
        typed: The file's data, with numbers and booleans.
        texts: The same with all scalars as texts.
    """
    return next(
        (n for n, system in SYSTEMS.items() if system.recognises(texts if system.texts else typed)),
        None,
    )
