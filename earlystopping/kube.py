"""Trial objects of the Kubernetes API: get them, patch their status, and what errors mean."""

from __future__ import annotations

import json
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from suggestion.earlystopping import statuses
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Denied, Missing, Unreachable, Unready, quote

_T = TypeVar("_T")

_TRIALS: Final = {"group": "kubeflow.org", "version": "v1beta1", "plural": "trials"}
#: Seconds without which no further attempt is begun.
_LEAST: Final = 0.5
_PAUSE: Final = 0.05  # seconds after the first failure; doubled after each further one
_LONGEST_PAUSE: Final = 2.0
_LONGEST_WAIT: Final = 5.0  # seconds for one answer of the API server
#: Statuses below 500 that say "try again": a slow request, a conflict, too many requests.
_PASSING: Final = frozenset((408, 409, 425, 429))


class PassingError(Exception):
    """A call that may succeed when it is repeated.

    Attributes:
        wait: Seconds to wait at least, if the server says so.
    """

    def __init__(self, text: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(text)


def repeat(attempt: Callable[[], _T], until: Deadline, check: Callable[[], None]) -> _T:
    """Return what `attempt` does, repeated while it raises `PassingError`, at most till `until`.

    Args:
        attempt: The call.
        until: When to give up.
        check: Called before each repetition; what it raises ends it.

    Raises:
        Unreachable: It still fails, with the last reason.
    """
    pause, number = _PAUSE, 0
    reason: PassingError | None = None
    while True:
        number += 1
        begun = time.monotonic()
        try:
            return attempt()
        except PassingError as error:
            # An attempt that our own time has cut off says nothing of why the others failed. A call
            # is given half of the time that is left, or all of it.
            if reason is None or until.remaining() > time.monotonic() - begun:
                reason = error
            wait = max(pause * random.uniform(0.5, 1.5), error.wait)
            if until.remaining() <= wait + _LEAST:
                tried = f"tried {number} times" if number > 1 else "tried once"
                raise Unreachable(f"{reason}; {tried}, try again") from reason
        time.sleep(wait)
        check()
        pause = min(2 * pause, _LONGEST_PAUSE)


class Trials:
    """The Trial objects of one namespace. May be used by several threads.

    Args:
        api: ``CustomObjectsApi`` of the Kubernetes client, which has no type hints.
        namespace: Of the trials.
    """

    def __init__(self, api: Any, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def get(self, name: str, until: Deadline) -> Mapping[str, Any]:
        """Return the object called `name`.

        Raises:
            PassingError: It may work when it is repeated.
            Missing, Denied, Unready: It will not.
        """
        with self._translated(name, "get"):
            found: Any = self._api.get_namespaced_custom_object(
                **self._place(name), _request_timeout=_wait(until)
            )
        if not _is_object(found):  # of a proxy, say
            raise PassingError(
                f"{self._subject(name)}: the Kubernetes API answered with something else"
            )
        object_: Mapping[str, Any] = found
        return object_

    def patch_status(self, name: str, patch: Mapping[str, Any], until: Deadline) -> None:
        """Apply a merge patch to the status of the object called `name`; raises as `get` does."""
        with self._translated(name, "patch"):
            self._api.patch_namespaced_custom_object_status(
                **self._place(name), body=patch, _request_timeout=_wait(until)
            )

    def close(self) -> None:
        self._api.api_client.rest_client.pool_manager.clear()

    def _subject(self, name: str) -> str:
        return f"trial {quote(name)} in namespace {quote(self._namespace)}"

    def _place(self, name: str) -> dict[str, str]:
        return {**_TRIALS, "namespace": self._namespace, "name": name}

    @contextmanager
    def _translated(self, name: str, verb: str) -> Iterator[None]:
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        subject = self._subject(name)
        try:
            yield
        except ApiException as error:
            raise _of_answer(error, subject, verb) from error
        except HTTPError as error:
            raise _of_connection(error, subject) from error


def _is_object(found: Any) -> bool:
    metadata = found.get("metadata") if isinstance(found, dict) else None
    return isinstance(metadata, dict) and "resourceVersion" in metadata


def _wait(until: Deadline) -> float:
    return max(min(_LONGEST_WAIT, until.remaining()), 0.01)


def _of_answer(error: Any, subject: str, verb: str) -> Exception:
    """Return what an answer of the API server other than success is to a caller."""
    reason, status = _reason(error), error.status or 0
    if status == 404:
        return Missing(f"{subject} does not exist: {reason}")
    if status in (401, 403):
        return Denied(
            f"{subject}: this server may not {verb} it; its account needs get and patch of "
            f"trials and trials/status in the group kubeflow.org: {reason}"
        )
    if status == 409:
        return PassingError(f"{subject} is being changed by others while it is marked: {reason}")
    text = f"{subject}: the Kubernetes API answered {status}: {reason}"
    if status in _PASSING or status >= 500:
        return PassingError(text, _retry_after(error))
    return Unready(text)


def _of_connection(error: Exception, subject: str) -> Exception:
    """Return what a failed connection is to a caller, the reason first.

    The text of `error` itself begins with the address, the path and how often it was tried.
    """
    reason: BaseException = error
    while isinstance(inner := getattr(reason, "reason", None), BaseException):
        reason = inner
    cause = reason.args[0] if reason.args else reason
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unready(
            f"{subject}: the certificate of the Kubernetes API is not accepted: "
            f"{cause.verify_message or cause}"
        )
    return PassingError(f"{subject}: the Kubernetes API does not answer: {reason}")


def _retry_after(error: Any) -> float:
    try:
        return float((error.headers or {}).get("Retry-After", 0))
    except ValueError:  # a date
        return 0.0


def _reason(error: Any) -> str:
    """Return the message of the API server, without headers."""
    try:
        text = str(json.loads(error.body)["message"])
    except (ValueError, TypeError, KeyError):
        text = str(error.reason)
    return " ".join(text.split())


def connect(namespace: str | None) -> Trials:
    """Import the Kubernetes client and read how to reach the cluster.

    Args:
        namespace: Of the trials; None for that of the service account or kubeconfig.

    Raises:
        Unready: The client is not installed, or no cluster is configured.
    """
    try:
        api_client, own = api(None)
    except ModuleNotFoundError as error:
        raise Unready(
            f"marking trials in a cluster needs the package {error.name!r}: "
            f"pip install 'suggestion-servers[kubernetes]', or choose another --trial-status"
        ) from error
    except Unready as error:
        raise Unready(f"{error}; choose another --trial-status") from error
    from kubernetes import client  # noqa: PLC0415

    from suggestion.earlystopping.answers import POOLS  # noqa: PLC0415

    api_client.rest_client.pool_manager.pool_classes_by_scheme = POOLS
    return Trials(client.CustomObjectsApi(api_client), namespace or own)


def api(context: str | None) -> tuple[Any, str]:
    """Import the Kubernetes client and read how to reach a cluster; nothing is sent.

    In a pod the pod's service account is used, elsewhere the kubeconfig (``$KUBECONFIG``,
    ``~/.kube/config``).

    Args:
        context: Of the kubeconfig; None for its current one, or the service account.

    Returns:
        An ``ApiClient``, which repeats no call by itself, and the namespace to use by default.

    Raises:
        ModuleNotFoundError: The client is not installed.
        Unready: No cluster is configured.
    """
    from kubernetes import client, config  # noqa: PLC0415

    loader: Any = config  # it has no type hints
    configuration = client.Configuration()
    try:
        if context is None and statuses.in_cluster():
            loader.load_incluster_config(client_configuration=configuration)
            own = (statuses.SERVICE_ACCOUNT / "namespace").read_text().strip()
        else:
            loader.load_kube_config(client_configuration=configuration, context=context)
            contexts, active = loader.list_kube_config_contexts()
            if context is not None:
                active = next(known for known in contexts if known["name"] == context)
            own = active["context"].get("namespace", "default")
    except Exception as error:  # a damaged configuration ends in errors of YAML, base64 and others
        raise Unready(f"no Kubernetes cluster is configured: {error}") from error
    configuration.retries = 0  # callers know how long they wait
    made: Any = client.ApiClient(configuration)
    if configuration.verify_ssl:
        arguments = made.rest_client.pool_manager.connection_pool_kw
        try:
            arguments["ssl_context"] = _context(arguments)
        except (OSError, ValueError) as error:
            raise Unready(f"the certificates of the Kubernetes cluster: {error}") from error
    return made, own


def _context(arguments: dict[str, Any]) -> ssl.SSLContext:
    """Return a context that verifies chain and host, but not the form of certificates.

    From Python 3.13 on `VERIFY_X509_STRICT` is a default, which refuses authorities without key
    identifiers, as those of many clusters are: of Amazon's, for instance.

    Args:
        arguments: Those of the connections. The files that they name are loaded here, and taken
            out: each connection would load them into the context again, while others make their
            handshakes with it in other threads, which ends the process.
    """
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    authorities, data = arguments.pop("ca_certs", None), arguments.pop("ca_cert_data", None)
    if authorities or data:
        context.load_verify_locations(authorities, cadata=data)
    else:
        context.load_default_certs()
    certificate, key = arguments.pop("cert_file", None), arguments.pop("key_file", None)
    if certificate:
        context.load_cert_chain(certificate, key, password="")  # rather than ask a terminal
    return context
