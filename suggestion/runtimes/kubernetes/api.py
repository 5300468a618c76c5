"""The API of a cluster: requests, watches, and what its errors mean.

The Kubernetes client knows how to reach a cluster and who we are; objects stay JSON, since a trial
can be of any kind.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote as escaped

from suggestion.controller.runtime import Unavailable
from suggestion.earlystopping import kube
from suggestion.problem.errors import Unready

#: Who has written what of an object, for server-side apply.
MANAGER: Final = "suggestion"
_SECONDS: Final = 15.0  # for one answer
#: A watch or a log says nothing for so many seconds; then it is asked for again.
QUIET: Final = 240.0
_APPLY: Final = "application/apply-patch+yaml"  # JSON is YAML
#: Statuses below 500 that say "try again": a slow request, a conflict, too many requests.
_PASSING: Final = frozenset((408, 409, 425, 429))
#: Of a proxy, say, or one that was cut off.
_ELSE: Final = "the Kubernetes API answered with something else"


class Away(Exception):
    """The API server does not answer, or asks to be called again; the text says why."""


class Refused(Exception):
    """The API server refuses a request.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API's paths have it.

    Attributes:
        version: ``batch/v1``; ``v1`` for the core group.
        plural: ``jobs``.
        subresource: ``log``; empty for the object itself.
    """

    version: str
    plural: str
    subresource: str = ""

    @property
    def group(self) -> str:
        """Its API group; empty for the core group."""
        return self.version.rpartition("/")[0]

    def __str__(self) -> str:
        name = f"{self.plural}/{self.subresource}" if self.subresource else self.plural
        return f"{name}.{self.group}" if self.group else name


PODS: Final = Resource("v1", "pods")
LOGS: Final = Resource("v1", "pods", "log")
EVENTS: Final = Resource("v1", "events")
CONFIG_MAPS: Final = Resource("v1", "configmaps")


class Api:
    """One namespace of a cluster. May be used by several threads.

    Args:
        client: ``ApiClient`` of the Kubernetes client, which has no type hints.
    """

    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self._pools = client.rest_client.pool_manager
        self._lock = threading.Lock()
        self.namespace = namespace

    def resource(self, version: str, kind: str) -> Resource | None:
        """Return the resource of a kind; None if the cluster does not have it."""
        root = "apis" if "/" in version else "api"
        try:
            found = self.call("GET", f"/{root}/{version}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        for known in found.get("resources") or ():
            if known.get("kind") == kind and "/" not in known["name"] and known.get("namespaced"):
                return Resource(version, known["name"])
        return None

    def may(self, verb: str, resource: Resource) -> bool:
        """Return whether this account has a right, as far as it may ask."""
        attributes = {
            "namespace": self.namespace,
            "verb": verb,
            "group": resource.group,
            "resource": resource.plural,
            "subresource": resource.subresource,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        try:
            answer = self.call("POST", path, body=review)
        except Refused:  # the request itself will tell
            return True
        return bool(answer["status"].get("allowed"))

    def get(self, resource: Resource, name: str) -> Any:
        """Return an object."""
        return self.call("GET", self._path(resource, name))

    def apply(self, resource: Resource, body: Mapping[str, Any]) -> Any:
        """Create an object, or make it what `body` says; return it as it is then."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return self.call("PATCH", self._path(resource, body["metadata"]["name"]), query, body)

    def delete(self, resource: Resource, name: str, grace: float | None = None) -> None:
        """Delete an object, and what it owns; it may be gone already.

        Args:
            grace: Seconds that a pod has to end; None: as it says.
        """
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if grace is not None:
            options["gracePeriodSeconds"] = max(int(grace), 1)  # 0 would forget it at once
        try:
            self.call("DELETE", self._path(resource, name), body=options)
        except Refused as error:
            if error.status != 404:
                raise

    def list(self, resource: Resource, **selectors: str) -> Any:
        """Return a list object; `selectors` are ``labelSelector`` and ``fieldSelector``."""
        return self.call("GET", self._path(resource), selectors)

    def watch(self, resource: Resource, version: str, selector: str) -> Stream:
        """Open a stream of what changes from resource version `version` on, JSON lines."""
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(QUIET * 0.75)),
        }
        return self._open(self._path(resource), query)

    def log(self, pod: str, container: str, since: str) -> Stream:
        """Open the log of a container, each line with its time before it.

        Args:
            since: RFC 3339, in whole seconds; empty: from the beginning.
        """
        query = {"container": container, "follow": "true", "timestamps": "true"}
        if since:
            query["sinceTime"] = since
        return self._open(self._path(LOGS, pod), query)

    def _path(self, resource: Resource, name: str = "") -> str:
        root = "apis" if resource.group else "api"
        steps = [root, resource.version, "namespaces", self.namespace, resource.plural]
        return "/" + "/".join([*steps, *filter(None, (name, resource.subresource))])

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Any:
        """Make a request; return its answer.

        Raises:
            Away: It may succeed when it is repeated.
            Refused: It will not.
        """
        kind = _APPLY if method == "PATCH" else "application/json"
        with _translated():
            answer = self._request(method, path, query, body, kind, _SECONDS, preload=True)
            if answer.status >= 300:
                raise _error(answer.status, answer.data)
            found = json.loads(answer.data)
        if not isinstance(found, dict) or "kind" not in found:
            raise Away(_ELSE)
        return found

    def _open(self, path: str, query: Mapping[str, str]) -> Stream:
        with _translated():
            answer = self._request("GET", path, query, None, "", QUIET, preload=False)
            if answer.status >= 300:
                text = answer.read()
                raise _error(answer.status, text)
        return Stream(answer)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        kind: str,
        seconds: float,
        *,
        preload: bool,
    ) -> Any:
        headers = {"Accept": "application/json", "User-Agent": MANAGER}
        if body is not None:
            headers["Content-Type"] = kind
        with self._lock:  # a token is renewed by one at a time
            self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        fields = "&".join(f"{name}={escaped(text, '')}" for name, text in (query or {}).items())
        from urllib3 import Timeout  # noqa: PLC0415

        return self._pools.request(
            method,
            f"{self._client.configuration.host}{path}" + (f"?{fields}" if fields else ""),
            headers=headers,
            body=None if body is None else json.dumps(body),
            timeout=Timeout(connect=_SECONDS, read=seconds),
            preload_content=preload,
            retries=False,
        )


class Stream:
    """An answer that comes bit by bit."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes until the other side ends it.

        Raises:
            Away: If it breaks.
        """
        with _translated():
            yield from self._answer.stream(64 * 1024)

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines, without their ends; raises as `chunks` does."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def events(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield type and object of the events of a watch; raises as `chunks` does."""
        for line in self.lines():
            try:
                event = json.loads(line)
                kind, found = str(event["type"]), event["object"]
                known = isinstance(found["metadata"], dict)
            except (ValueError, TypeError, KeyError):
                known = False
            if not known:
                raise Away(_ELSE)
            yield kind, found

    def interrupt(self) -> None:
        """End `chunks` in another thread."""
        with suppress(RuntimeError, ValueError, OSError):  # it has ended
            self._answer.shutdown()

    def close(self) -> None:
        """Free the connection."""
        self._answer.close()


@contextmanager
def _translated() -> Iterator[None]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    try:
        yield
    except (HTTPError, OSError, ValueError, AttributeError) as error:
        # The last two: a stream that another thread has interrupted or closed.
        reason: BaseException = error
        while isinstance(inner := getattr(reason, "reason", None), BaseException):
            reason = inner
        cause = reason.args[0] if reason.args else reason
        if isinstance(cause, ssl.SSLCertVerificationError):
            text = cause.verify_message or cause
            raise Refused(
                0, f"the certificate of the Kubernetes API is not accepted: {text}"
            ) from (error)
        raise Away(f"the Kubernetes API does not answer: {reason}") from error


def _error(status: int, body: bytes) -> Exception:
    try:
        text = " ".join(str(json.loads(body)["message"]).split())
    except (ValueError, TypeError, KeyError):
        text = " ".join(body[:500].decode("utf-8", "replace").split())
    if status in _PASSING or status >= 500:
        return Away(f"the Kubernetes API answered {status}: {text}")
    return Refused(status, text)


def connect(context: str | None, namespace: str | None) -> Api:
    """Return the API of the cluster of a kubeconfig, or of the pod that this process runs in.

    Args:
        context: Of the kubeconfig; None for the current one.
        namespace: None for that of the context or the service account.

    Raises:
        Unavailable: If the client is not installed, or no cluster is configured.
    """
    try:
        client, own = kube.api(context)
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"--runtime kubernetes needs the package {error.name!r}: "
            f"pip install 'suggestion-servers[kubernetes]'"
        ) from error
    except Unready as error:
        raise Unavailable(f"--runtime kubernetes: {error}") from error
    return Api(client, namespace or own)
