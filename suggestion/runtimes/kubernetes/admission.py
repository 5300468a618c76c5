"""What must be true before the first trial: what the file asks for, and what the account may do."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.controller.runtime import Asked, Unavailable
from suggestion.problem.errors import quote
from suggestion.runtimes.kubernetes import objects
from suggestion.runtimes.kubernetes.api import (
    CONFIG_MAPS,
    LOGS,
    PODS,
    Api,
    Away,
    Refused,
    Resource,
)  # fmt: skip
from suggestion.runtimes.kubernetes.gjson import BadPath, parse
from suggestion.runtimes.kubernetes.kinds import Conditions, conditions

JOB: Final = ("batch/v1", "Job")
_LONGEST_AWAY: Final = 60.0
_PAUSE: Final = 2.0
#: What the runner does, by resource; None stands for the trials' own. The role of
#: ``deploy/kubernetes/run`` grants it.
RIGHTS: Final[tuple[tuple[Resource | None, tuple[str, ...]], ...]] = (
    (CONFIG_MAPS, ("create", "get", "patch")),
    (None, ("create", "patch", "list", "watch", "delete")),
    (PODS, ("list", "watch", "delete")),
    (LOGS, ("get",)),
)


def object_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return apiVersion and kind of an experiment's trials; a Job's for the short form."""
    template = document["spec"].get("trialTemplate") or {}
    spec = template.get("trialSpec")
    return (spec.get("apiVersion") or "", spec.get("kind") or "") if spec else JOB


def conditions_of(document: Mapping[str, Any]) -> Conditions:
    """Return how the trials of an experiment are judged and found."""
    return conditions(document["spec"].get("trialTemplate") or {}, object_of(document)[1])


def refusals(asked: Asked) -> Iterator[str]:
    """Yield what only a cluster cannot honour of a run, each as *subject: rule, got value*."""
    document = asked.loaded.document
    template = document["spec"].get("trialTemplate") or {}
    version, kind = object_of(document)
    if not version or not kind:
        yield f"spec.trialTemplate.trialSpec: needs apiVersion and kind, got {quote(kind)}"
        return
    yield from _condition_refusals(template, kind)
    yield from _collector_refusals(asked, template)


def _condition_refusals(template: Mapping[str, Any], kind: str) -> Iterator[str]:
    found = conditions(template, kind)
    for name, path in (("successCondition", found.success), ("failureCondition", found.failure)):
        if not path:
            yield f"spec.trialTemplate: needs {name}, since trials are of kind {kind}"
            continue
        try:
            parse(path)
        except BadPath as error:
            yield f"spec.trialTemplate.{name}: {error}"


def _collector_refusals(asked: Asked, template: Mapping[str, Any]) -> Iterator[str]:
    loaded = asked.loaded
    collector, spec = loaded.collector, template.get("trialSpec")
    where = "spec.metricsCollectorSpec"
    if collector.kind in {"PrometheusMetric", "Custom"}:
        yield (
            f"{where}.collector.kind: must be StdOut, File, TensorFlowEvent, Push or None, "
            f"got {collector.kind}"
        )
    if spec is None and not loaded.template.container.get("image"):
        yield "spec.trialTemplate: needs an image, got none"
    if not collector.path:
        return
    if not collector.path.startswith("/"):
        yield f"{where}.source.fileSystemPath.path: must be absolute, got {quote(collector.path)}"
    elif collector.kind == "File" and posixpath.dirname(posixpath.normpath(collector.path)) == "/":
        yield (
            f"{where}.source.fileSystemPath.path: must lie in a folder that pods can share, got "
            f"{quote(collector.path)}"
        )
    if spec is not None and not objects.has_pods(spec):
        yield (
            f"{where}.collector.kind: a {spec.get('kind')} has no pod that a side-car could be "
            f"added to; StdOut and Push need none, got {collector.kind}"
        )


def resource_of(api: Api, version: str, kind: str) -> Resource:
    """Return the resource of a kind.

    Raises:
        Refused: If the cluster does not have it.
        Away: If the cluster does not answer.
    """
    if (version, kind) == JOB:
        return Resource("batch/v1", "jobs")
    found = api.resource(version, kind)
    if found is None:
        raise Refused(404, f"the cluster has no {kind} in {version}; its operator may be missing")
    return found


def expect_rights(api: Api, version: str, kind: str) -> None:
    """Refuse an account that lacks a right; an API server that is away is waited for.

    Raises:
        Unavailable: With each right that is missing.
    """
    until = time.monotonic() + _LONGEST_AWAY
    while True:
        try:
            lacking = list(_lacking(api, resource_of(api, version, kind)))
            break
        except Away as error:
            if time.monotonic() > until:
                raise Unavailable(f"--runtime kubernetes: {error}") from error
            time.sleep(_PAUSE)
        except Refused as error:
            raise Unavailable(f"--runtime kubernetes: {error}") from error
    if lacking:
        raise Unavailable(
            "\n".join(
                f"--runtime kubernetes: this account may not {verb} {resource} in namespace "
                f"{quote(api.namespace)}; deploy/kubernetes/run/role.yaml grants what is needed"
                for verb, resource in lacking
            )
        )


def _lacking(api: Api, own: Resource) -> Iterator[tuple[str, Resource]]:
    for known, verbs in RIGHTS:
        for verb in verbs:
            if not api.may(verb, known or own):
                yield verb, known or own
