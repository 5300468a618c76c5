"""What the API of a cluster answers, by HTTP, and what stands before it."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from suggestion.runtimes.kubernetes.api import PODS, Api, Away, Resource
from suggestion.runtimes.kubernetes.cluster import Changed, Cluster, Seen

EMPTY = b'{"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}'
EVENT = b'{"type": "ADDED", "object": {"kind": "Pod", "metadata": {"name": "p"}}}'
PAGE = b"<html>Sign in</html>"


@contextmanager
def serving(answer: bytes, *watches: bytes) -> Iterator[Api]:
    """An API that gives this answer, and to watches of pods these, then nothing."""
    left = list(watches)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer
            if "watch=true" in self.path:
                body = left.pop(0) if "/pods" in self.path and left else b""
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    with urllib3.PoolManager(maxsize=4) as pools:
        client = SimpleNamespace(
            rest_client=SimpleNamespace(pool_manager=pools),
            configuration=SimpleNamespace(host=f"http://127.0.0.1:{server.server_port}"),
            update_params_for_auth=lambda *_: None,
        )
        try:
            yield Api(client, "team")
        finally:
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("answer", [PAGE, b"[]", b"null", b'"x"', b'{"login": "here"}'])
def test_an_answer_that_is_none_of_the_api(answer: bytes) -> None:
    """A proxy's page, say: what is asked is asked again."""
    with serving(answer) as api:
        with pytest.raises(Away, match="the Kubernetes API"):
            api.list(PODS)
        with pytest.raises(Away, match="the Kubernetes API"):
            api.may("list", PODS)


@pytest.mark.parametrize("line", [EVENT[:30], PAGE, b"[]", b"null", b'{"type": "ADDED"}'])
def test_a_watch_goes_on_after_a_line_that_is_no_event(line: bytes) -> None:
    with serving(EMPTY, line, EVENT + b"\n") as api:
        cluster = Cluster(api, lambda: Resource("batch/v1", "jobs"), PODS, ("a", "b"))
        try:
            assert until(cluster) == Changed(Cluster.PODS, json.loads(EVENT)["object"])
        finally:
            cluster.close(0)


def until(cluster: Cluster) -> Seen:
    """Return the event that is told."""
    while select.select([cluster.fileno()], [], [], 20)[0]:
        for seen in cluster.take():
            if isinstance(seen, Changed):
                return seen
    raise AssertionError("no event came")
