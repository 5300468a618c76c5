"""Traces of `suggest serve`, as a collector of OpenTelemetry gets them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from suggestion.api.exchange import TRACE_CONTEXT, keep_trace_context
from suggestion.server.traces import Traces, asked_for
from tests.http.support import SUGGEST, http_serving
from tests.support.requests import ask_for, experiment
from tests.support.servers import serving

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector over HTTP: its URL, and the requests that have come."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_call_is_a_span() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    with collector() as (url, came):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        with serving("random", "broken", "--processes", "2", **environment) as server:
            metadata = (("traceparent", CALLER),)
            server.stub.GetSuggestions(ask_for(experiment("random", name="e1")), metadata=metadata)
            request = ask_for(experiment("broken", settings={"how": "raise"}))
            with pytest.raises(grpc.RpcError):
                server.stub.GetSuggestions(request)
            server.stop()  # which sends what is left
    spans = [
        (resource.resource, span)
        for body in came
        for resource in service.ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    (resource, first), (_, second) = sorted(spans, key=lambda s: s[1].start_time_unix_nano)
    assert ("service.name", "suggestion-servers") in {
        (item.key, item.value.string_value) for item in resource.attributes
    }
    assert first.name == "api.v1.beta1.Suggestion/GetSuggestions"
    assert first.kind == first.SPAN_KIND_SERVER
    assert first.trace_id.hex() == CALLER.split("-")[1]
    assert first.parent_span_id.hex() == CALLER.split("-")[2]
    assert 0 < first.end_time_unix_nano - first.start_time_unix_nano < 60e9
    found = {item.key: item.value for item in first.attributes}
    assert found["suggest.experiment"].string_value == "e1"
    assert found["suggest.algorithm"].string_value == "random"
    assert found["suggest.trials"].int_value == 0
    assert found["suggest.code"].string_value == "OK"
    assert found["rpc.grpc.status_code"].int_value == 0
    assert found["suggest.model_seconds"].double_value >= 0
    assert second.status.code == second.status.STATUS_CODE_ERROR
    assert "as promised" in second.status.message
    assert not second.parent_span_id


def test_a_collector_over_grpc() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason="it is not installed")
    stubs = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc")
    messages = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    names: list[str] = []

    class Collector(stubs.TraceServiceServicer):  # type: ignore[misc, name-defined]
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            for resource in request.resource_spans:
                names.extend(span.name for scope in resource.scope_spans for span in scope.spans)
            return messages.ExportTraceServiceResponse()

    served = grpc.server(ThreadPoolExecutor(1))
    stubs.add_TraceServiceServicer_to_server(Collector(), served)
    url = f"http://127.0.0.1:{served.add_insecure_port('127.0.0.1:0')}"
    served.start()
    try:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }
        with serving("random", **environment) as server:
            server.stub.GetSuggestions(ask_for(experiment("random")))
            server.stop()
    finally:
        served.stop(None).wait()
    assert names == ["api.v1.beta1.Suggestion/GetSuggestions"]


def test_a_call_over_http_says_so() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")
    pytest.importorskip("starlette", reason="the extra 'http' is not installed")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    with collector() as (url, came):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
        with http_serving("random", environment=environment) as caller:
            assert caller.call(SUGGEST, ask_for(experiment("random"))).status == 200
            caller.server.stop()
    (span,) = (
        span
        for body in came
        for resource in service.ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )
    found = {item.key: item.value.string_value for item in span.attributes}
    assert found["rpc.system"] == "http"
    assert "rpc.grpc.status_code" not in found


def test_a_collector_that_is_away_holds_up_neither_calls_nor_the_end() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")
    # A port of discard, where nobody listens.
    with serving("random", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as server:
        server.stub.GetSuggestions(ask_for(experiment("random")))
        status, _ = server.stop(timeout=20)
        assert status == 0


def test_an_exporter_that_is_not_known_is_a_warning() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")
    with serving("random", OTEL_TRACES_EXPORTER="jaeger") as server:
        server.stub.GetSuggestions(ask_for(experiment("random")))
        _, log = server.stop()
    assert "WARNING no traces are sent" in log
    assert "OTEL_TRACES_EXPORTER: must be otlp, console or none, got 'jaeger'" in log


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, False),
    ],
)
def test_when_traces_are_asked_for(environment: dict[str, str], asked: bool) -> None:
    assert asked_for(environment) is asked


def test_a_call_without_a_trace_does_not_have_that_of_the_call_before() -> None:
    def calls() -> None:
        keep_trace_context([("traceparent", CALLER), ("te", "trailers"), ("x-bin", b"1")])
        assert TRACE_CONTEXT.get() == {"traceparent": CALLER}
        keep_trace_context([("te", "trailers")])
        assert not TRACE_CONTEXT.get()

    copy_context().run(calls)


def test_what_fails_in_a_span_fails_in_no_call(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra 'otel' is not installed")

    class Broken:
        def get_tracer(self, name: str) -> Any:
            return self

        def start_span(self, *_: object, **__: object) -> Any:
            raise ValueError("a sampler of somebody's")

    logger = logging.Logger("calls")
    logger.addHandler(Traces(Broken(), {}))
    logger.info("GetSuggestions", extra={"facts": {"method": "x", "outcome": "OK", "ms": 1.0}})
    assert "a sampler of somebody's" in capsys.readouterr().err
