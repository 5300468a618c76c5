"""A real server that speaks HTTP too, and calls to it."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message as Headers
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from tests.support.servers import ServerProcess, serving

_URL = re.compile(r"^serving .* on (https?://\S+)$", re.MULTILINE)
SUGGEST = "/api.v1.beta1.Suggestion/GetSuggestions"
VALIDATE = "/api.v1.beta1.Suggestion/ValidateAlgorithmSettings"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.document["error"]

    @property
    def fields(self) -> list[str]:
        """The fields of the violations."""
        return [v["field"] for v in self.error["details"][0]["fieldViolations"]]


@dataclass(frozen=True)
class Caller:
    """Calls a server at `url`."""

    url: str
    server: ServerProcess
    tls: ssl.SSLContext | None = None

    def call(
        self,
        path: str,
        body: Message | Mapping[str, Any] | bytes | None = None,
        *,
        method: str | None = None,
        timeout: float = 60,
        **headers: str,
    ) -> Answer:
        """The answer; header names are written with underscores."""
        data = as_bytes(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"Content-Type": "application/json", **named}
        request = urllib.request.Request(self.url + path, data, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self.tls) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


def as_bytes(body: Message | Mapping[str, Any] | bytes | None) -> bytes | None:
    if isinstance(body, Message):
        return json_format.MessageToJson(body).encode()
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


@contextlib.contextmanager
def http_serving(
    *arguments: str, tls: ssl.SSLContext | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Caller]:
    variables = environment or {}
    with serving(*arguments, "--http-address", "127.0.0.1:0", **variables) as server:
        yield Caller(url_of(server), server, tls)


def url_of(server: ServerProcess, seconds: float = 30) -> str:
    """The URL that a server prints, in a line of its own after those of gRPC."""
    until = time.monotonic() + seconds
    while (found := _URL.search(server.output())) is None:
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < until, server.output()
        time.sleep(0.02)
    return found[1]
