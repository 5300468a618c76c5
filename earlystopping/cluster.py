"""Mark Trial objects of a Kubernetes cluster as stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from suggestion.earlystopping import kube
from suggestion.earlystopping.observation import Observations, Summary, summarise
from suggestion.earlystopping.statuses import EARLY_STOPPED
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import TimedOut, Unreachable, quote

logger: Final = logging.getLogger("suggestion")

#: Longest time in which a call is repeated that may pass, in seconds; and the share of the caller's
#: own deadline, so that it learns what is wrong. The collector calls once and then gives up.
_LONGEST: Final = 20.0
_SHARE: Final = 0.8
#: Longest wait for the observation logs, in seconds: the mark matters more.
_LONGEST_READ: Final = 5.0


class ClusterStatuses:
    """Mark Trial objects, ``kubeflow.org/v1beta1``, through the Kubernetes API.

    In a pod the pod's service account is used, elsewhere the kubeconfig (``$KUBECONFIG``,
    ``~/.kube/config``).

    Args:
        namespace: Namespace of the trials; None for that of the service account or kubeconfig.
        observations: Where the logs of trials are; None to write no observations.
    """

    def __init__(
        self, namespace: str | None = None, observations: Observations | None = None
    ) -> None:
        self._namespace = namespace
        self._observations = observations
        self._lock = threading.Lock()
        self._trials: kube.Trials | None = None

    def connect(self) -> None:
        """Load the Kubernetes client, which takes seconds of a small container, ahead of a call.

        Raises:
            Unready: It is not installed, or no cluster is configured.
        """
        self._connected()

    def _connected(self) -> kube.Trials:
        with self._lock:
            if self._trials is None:
                self._trials = kube.connect(self._namespace)
            return self._trials

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        """Add to the trial the condition EarlyStopped, and its observation, unless they are there.

        Katib's controller reads no observation of a stopped trial whose job it has deleted, and
        suggests nothing in its place without one: with ``retain: false`` an experiment would stand
        still. If the logs cannot be read, the trial is marked all the same.

        The patch names the version of the object that it was made from. If the object has changed
        in between, so that the patch would undo another condition, it is read again.
        """
        trials = self._connected()
        until = Deadline.after(min(_LONGEST, _SHARE * deadline.remaining()))
        summaries: tuple[Summary, ...] | None = None

        def attempt() -> None:
            nonlocal summaries
            found = trials.get(trial, until)
            if summaries is None:
                summaries = self._summaries(trial, found, until)
            patch = _patch(found, summaries)
            if patch is not None:
                trials.patch_status(trial, patch, until)

        kube.repeat(attempt, until, deadline.check)

    def close(self) -> None:
        with self._lock:
            if self._trials is not None:
                self._trials.close()
                self._trials = None

    def _summaries(
        self, name: str, trial: Mapping[str, Any], until: Deadline
    ) -> tuple[Summary, ...]:
        """Return the metrics that `trial`, called `name`, has reported; empty if unknown."""
        if self._observations is None or _observation(trial):
            return ()
        objective = (trial.get("spec") or {}).get("objective") or {}
        metrics = [objective.get("objectiveMetricName")]
        metrics += objective.get("additionalMetricNames") or ()
        wanted = [metric for metric in dict.fromkeys(metrics) if metric]
        to_read = Deadline.after(min(_LONGEST_READ, until.remaining() / 2))
        try:
            logs = self._observations.read(name, wanted, to_read)
        except (Unreachable, TimedOut) as error:
            logger.warning("trial %s is marked without its observation: %s", quote(name), error)
            return ()
        made = (summarise(metric, logs[metric]) for metric in wanted if metric in logs)
        found = tuple(summary for summary in made if summary is not None)
        if not found:
            logger.warning(
                "trial %s is marked without an observation: it has reported no number of %s",
                quote(name),
                ", ".join(map(quote, wanted)) or "any metric",
            )
        return found


def _observation(trial: Mapping[str, Any]) -> bool:
    status = trial.get("status") or {}
    return bool((status.get("observation") or {}).get("metrics"))


def _patch(trial: Mapping[str, Any], summaries: tuple[Summary, ...]) -> dict[str, Any] | None:
    """Return the patch that adds to `trial` what it lacks; None if that is nothing."""
    status: dict[str, Any] = {}
    conditions = (trial.get("status") or {}).get("conditions") or []
    of_type = [c for c in conditions if c.get("type") == EARLY_STOPPED]
    if not any(c.get("status") == "True" for c in of_type):
        # A merge patch replaces lists as a whole.
        status["conditions"] = [*(c for c in conditions if c not in of_type), _condition()]
    if summaries and not _observation(trial):
        status["observation"] = {"metrics": [asdict(summary) for summary in summaries]}
    if not status:
        return None
    return {
        "metadata": {"resourceVersion": trial["metadata"]["resourceVersion"]},
        "status": status,
    }


def _condition() -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": EARLY_STOPPED,
        "status": "True",
        "reason": "TrialEarlyStopped",
        "message": "Trial is early stopped",
        "lastUpdateTime": now,
        "lastTransitionTime": now,
    }
