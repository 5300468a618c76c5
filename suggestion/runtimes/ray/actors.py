"""Actors of Ray: what those of a trial are made of, and their making."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from suggestion.client import template
from suggestion.client.demand import Demand
from suggestion.controller.runtime import LaunchSpec
from suggestion.reporting.artifacts import DIRECTORY as ARTIFACTS
from suggestion.reporting.reporter import RULES_FILE
from suggestion.reporting.sinks import PATH
from suggestion.runtimes.process.session import MARK


def options(demand: Demand) -> dict[str, Any]:
    """Return the resources of an actor, as Ray takes them."""
    made: dict[str, Any] = {"num_cpus": 1 if demand.cpus is None else demand.cpus}
    if demand.gpus:
        made["num_gpus"] = demand.gpus
    if demand.memory is not None:
        made["memory"] = demand.memory
    return made


def bundle(demand: Demand) -> dict[str, float]:
    """Return the same resources as a bundle of a placement group."""
    wanted = options(demand)
    named = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return {named[key]: value for key, value in wanted.items()}


def arguments(spec: LaunchSpec, folder: str, rank: int) -> tuple[Any, ...]:
    """Return what `worker.TrialProcess` is made of: paths are those of its machine."""
    paths = [
        (inside, f"{folder}/files{os.path.normpath(f'/{inside}')}") for inside, _ in spec.paths
    ]
    invocation = template.moved(spec.invocation, paths)
    variables: Mapping[str, str] = {
        "PYTHONUNBUFFERED": "1",
        **spec.variables,
        MARK: folder,
        **invocation.env,
    }
    told = dict(variables)
    told.pop(ARTIFACTS, None)  # a folder of this machine
    metrics = ""
    if spec.metrics_path and paths:
        told[PATH] = paths[0][1]
        metrics = paths[0][1] if spec.metrics_file else ""
    rules = f"{folder}/rules.json" if RULES_FILE in told and rank == 0 else ""
    if RULES_FILE in told:
        told[RULES_FILE] = rules
    cwd = spec.invocation.cwd or ""
    if spec.cwd == spec.files.folder.resolve():
        cwd = folder  # where it may write a file of its program
    elif cwd and not (spec.cwd / cwd).is_dir():
        cwd = ""
    return list(invocation.argv), told, cwd, folder, rules, metrics if rank == 0 else ""


def named(name: str, rank: int) -> str:
    """Return the name of the actor of a replica of an attempt."""
    return f"{name}.{rank}" if rank else name


def make(kind: Any, namespace: str, demand: Demand, name: str, *given: Any, **chosen: Any) -> Any:
    """Make an actor that outlives this process.

    Args:
        kind: `worker.TrialHost` as a class of actors.
        given: Arguments of the class.
        chosen: Further options of Ray.
    """
    return kind.options(
        name=name,
        namespace=namespace,
        lifetime="detached",
        max_concurrency=4,
        **options(demand),
        **chosen,
    ).remote(*given)


def folder_of(namespace: str, name: str, rank: int = 0) -> str:
    """Return the folder of a process of an attempt, on the machine of its actor."""
    return f"/tmp/{namespace}/{named(name, rank)}"


def make_group(kind: Any, namespace: str, name: str, spec: LaunchSpec) -> list[Any]:
    """Make the actors of an attempt with replicas, by rank; those that are there already stay."""
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy  # noqa: PLC0415

    placed = group(namespace, name, spec.demand)
    return [
        make(
            kind,
            namespace,
            spec.demand,
            named(name, rank),
            arguments(spec, folder_of(namespace, name, rank), rank),
            get_if_exists=True,
            scheduling_strategy=PlacementGroupSchedulingStrategy(placed, rank),
        )
        for rank in range(spec.demand.replicas)
    ]


def group(namespace: str, name: str, demand: Demand) -> Any:
    """Return the placement group of an attempt with replicas, which is made unless it is there."""
    from ray.util import get_placement_group, placement_group  # noqa: PLC0415

    full = f"{namespace}/{name}"
    with suppress(ValueError):
        return get_placement_group(full)
    return placement_group([bundle(demand)] * demand.replicas, "PACK", full, lifetime="detached")


def ungroup(namespace: str, name: str) -> None:
    """Remove a placement group, if `name` is not empty and it is there."""
    if name:
        from ray.util import get_placement_group, remove_placement_group  # noqa: PLC0415

        with suppress(ValueError):
            remove_placement_group(get_placement_group(f"{namespace}/{name}"))


def end_group(ray: Any, namespace: str, name: str, count: int) -> None:
    """End the actors of an attempt with `count` replicas, and its placement group."""
    for rank in range(count):
        with suppress(ValueError):
            ray.kill(ray.get_actor(named(name, rank), namespace))
    ungroup(namespace, name)


def end_others(ray: Any, namespace: str, kept: Collection[str]) -> None:
    """End all actors of an experiment but those with the names `kept`."""
    from ray.util import list_named_actors  # noqa: PLC0415

    with suppress(ray.exceptions.RayError, RuntimeError, ValueError):
        for name in set(list_named_actors()).difference(kept):
            ray.kill(ray.get_actor(name, namespace))
            ungroup(namespace, name)


def first_line(error: BaseException) -> str:
    """Return what an error of Ray says first, of which the rest is for its developers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]
