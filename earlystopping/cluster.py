"""Mark Trial objects of a Kubernetes cluster as stopped."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from suggestion.earlystopping import statuses
from suggestion.earlystopping.statuses import EARLY_STOPPED
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Denied, Missing, Unreachable, Unready, quote

_TRIALS: Final = {"group": "kubeflow.org", "version": "v1beta1", "plural": "trials"}
_ATTEMPTS: Final = 8
_PAUSE: Final = 0.02  # seconds after the first conflict; doubled after each further one
_LONGEST_PAUSE: Final = 0.25
_LONGEST_WAIT: Final = 10.0  # seconds for one answer of the API server


class ClusterStatuses:
    """Mark Trial objects, ``kubeflow.org/v1beta1``, through the Kubernetes API.

    In a pod the pod's service account is used, elsewhere the kubeconfig (``$KUBECONFIG``,
    ``~/.kube/config``).

    Args:
        namespace: Namespace of the trials; None for that of the service account or kubeconfig.
    """

    def __init__(self, namespace: str | None = None) -> None:
        self._namespace = namespace
        self._lock = threading.Lock()
        self._connected: tuple[Any, str] | None = None

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        """Add the condition EarlyStopped to the trial's, unless it is there.

        The patch names the version of the object that it was made from. If the object has changed
        in between, so that the patch would undo another condition, it is read again.
        """
        api, namespace = self._connect()
        place = {**_TRIALS, "namespace": namespace, "name": trial}
        pause = _PAUSE
        for _ in range(_ATTEMPTS):
            deadline.check()
            wait = min(_LONGEST_WAIT, deadline.remaining())
            with _translated(f"trial {quote(trial)} in namespace {quote(namespace)}", "get"):
                found = api.get_namespaced_custom_object(**place, _request_timeout=wait)
            patch = _marked(found)
            if patch is None:
                return
            try:
                with _translated(f"trial {quote(trial)} in namespace {quote(namespace)}", "patch"):
                    api.patch_namespaced_custom_object_status(
                        **place, body=patch, _request_timeout=wait
                    )
            except _ConflictError:
                time.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return
        raise Unreachable(
            f"trial {quote(trial)} in namespace {quote(namespace)} was changed by others "
            f"{_ATTEMPTS} times while it was being marked; try again"
        )

    def close(self) -> None:
        with self._lock:
            if self._connected is not None:
                api, _ = self._connected
                api.api_client.rest_client.pool_manager.clear()
                self._connected = None

    def _connect(self) -> tuple[Any, str]:
        """Return the API of the cluster and the namespace; the first call imports the client."""
        with self._lock:
            if self._connected is None:
                self._connected = _load(self._namespace)
            return self._connected


def _load(namespace: str | None) -> tuple[Any, str]:
    try:
        from kubernetes import client, config  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unready(
            f"marking trials in a cluster needs the package {error.name!r}: "
            f"pip install 'suggestion-servers[kubernetes]', or choose another --trial-status"
        ) from error
    loader: Any = config  # it has no type hints
    configuration = client.Configuration()
    try:
        if statuses.in_cluster():
            loader.load_incluster_config(client_configuration=configuration)
            own = (statuses.SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            loader.load_kube_config(client_configuration=configuration)
            _, active = loader.list_kube_config_contexts()
            own = active["context"].get("namespace", "default")
    except (config.ConfigException, OSError) as error:
        raise Unready(
            f"no Kubernetes cluster is configured: {error}; choose another --trial-status"
        ) from error
    # The caller repeats failed calls, because it knows how long it can wait.
    configuration.retries = 0
    return client.CustomObjectsApi(client.ApiClient(configuration)), namespace or own


def _marked(trial: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the patch that adds the condition to `trial`; None if it has it already."""
    conditions = (trial.get("status") or {}).get("conditions") or []
    of_type = [c for c in conditions if c.get("type") == EARLY_STOPPED]
    if any(c.get("status") == "True" for c in of_type):
        return None
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": EARLY_STOPPED,
        "status": "True",
        "reason": "TrialEarlyStopped",
        "message": "Trial is early stopped",
        "lastUpdateTime": now,
        "lastTransitionTime": now,
    }
    return {
        "metadata": {"resourceVersion": trial["metadata"]["resourceVersion"]},
        # A merge patch replaces lists as a whole.
        "status": {"conditions": [*(c for c in conditions if c not in of_type), condition]},
    }


class _ConflictError(Exception):
    """The object has changed since it was read."""


@contextmanager
def _translated(subject: str, verb: str) -> Iterator[None]:
    from kubernetes.client import ApiException  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except ApiException as error:
        reason = _reason(error)
        if error.status == 404:
            raise Missing(f"{subject} does not exist: {reason}") from error
        if error.status == 409:
            raise _ConflictError from error
        if error.status in (401, 403):
            raise Denied(
                f"{subject}: this server may not {verb} it; its account needs get and patch of "
                f"trials and trials/status in the group kubeflow.org: {reason}"
            ) from error
        raise Unreachable(
            f"{subject}: the Kubernetes API answered {error.status}: {reason}"
        ) from error
    except HTTPError as error:
        raise Unreachable(f"{subject}: the Kubernetes API does not answer: {error}") from error


def _reason(error: Any) -> str:
    """Return the message of the API server, without headers."""
    try:
        text = str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        text = str(error.reason)
    return " ".join(text.split())
