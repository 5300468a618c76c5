"""The part of the Kubernetes API that early stopping uses, over real HTTP."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

TRIALS = "/apis/kubeflow.org/v1beta1/namespaces/"


class Cluster:
    """Trial objects by namespace and name, as an API server keeps them.

    Attributes:
        requests: Verb and path of each request, in order.
        tokens: Authorization header of each.
        intruders: Conditions that others add, one before each patch that arrives.
        answers: Statuses to answer with instead of handling a verb.
        passing: Statuses to answer with first, one a request; 0 breaks the connection.
        headers: Further headers of answers.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.intruders: list[dict[str, str]] = []
        self.answers: dict[str, int] = {}
        self.passing: list[int] = []
        self.headers: dict[str, str] = {}

    def add(
        self,
        name: str,
        *conditions: dict[str, str],
        namespace: str = "team",
        metrics: Sequence[str] = ("loss",),
    ) -> None:
        objective, *others = metrics
        self.objects[namespace, name] = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Trial",
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": "7"},
            "spec": {
                "objective": {
                    "type": "minimize",
                    "objectiveMetricName": objective,
                    "additionalMetricNames": others,
                }
            },
            "status": {"conditions": list(conditions), "startTime": "2026-01-01T00:00:00Z"},
        }

    def conditions(self, name: str, namespace: str = "team") -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.objects[namespace, name]["status"]["conditions"]
        return found

    def handle(self, verb: str, path: str, kind: str, body: Any) -> tuple[int, dict[str, Any]]:
        """Status and document of the answer to a request."""
        self.requests.append((verb, path))
        if self.passing:
            return _refusal(self.passing.pop(0), "come back later")
        if verb in self.answers:
            return _refusal(self.answers[verb], f"{verb} is not possible now")
        if not path.startswith(TRIALS):
            return _refusal(404, "the server could not find the requested resource")
        namespace, _, rest = path.removeprefix(TRIALS).partition("/")
        plural, name, *sub = (unquote(part) for part in rest.split("/"))
        found = self.objects.get((namespace, name))
        if plural != "trials" or found is None:
            return _refusal(404, f'trials.kubeflow.org "{name}" not found')
        if verb == "GET" and not sub:
            return 200, found
        if verb != "PATCH" or sub != ["status"]:
            return _refusal(405, "the server does not allow this method on the resource")
        if kind != "application/merge-patch+json":
            return _refusal(415, f"patches of type {kind} are not handled here")
        if self.intruders:
            found["status"]["conditions"].append(self.intruders.pop())
            _touch(found)
        expected = body.get("metadata", {}).get("resourceVersion")
        if expected is not None and expected != found["metadata"]["resourceVersion"]:
            return _refusal(409, "the object has been modified; please apply your changes to it")
        # The status subresource changes nothing else.
        found["status"] = _merged(found["status"], body.get("status", {}))
        _touch(found)
        return 200, found


def _touch(trial: dict[str, Any]) -> None:
    trial["metadata"]["resourceVersion"] = str(int(trial["metadata"]["resourceVersion"]) + 1)


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _refusal(code: int, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code}


@contextmanager
def running(cluster: Cluster, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port at which `cluster` answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            cluster.tokens.append(self.headers.get("Authorization"))
            kind = self.headers.get("Content-Type", "")
            code, document = cluster.handle(self.command, self.path, kind, body)
            if not code:
                self.close_connection = True
                return
            payload = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            for name, value in cluster.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PATCH = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
