"""OpenTelemetry traces of calls (extra ``otel``), made of what the log says of them.

They are sent where the variables of OpenTelemetry say; without these, nothing of it is imported.
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol

import grpc

from suggestion.api.exchange import RPC_SYSTEM, TRACE_CONTEXT
from suggestion.problem.errors import quote
from suggestion.server.calls import logger

#: Any of these asks for traces.
_ASKING: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
#: Codes by which a server is at fault, as the semantic conventions for gRPC have them.
_FAULTS: Final = {
    code.name
    for code in (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
}
#: Facts of the log that spans have, with a prefix.
_FACTS: Final = (
    "experiment",
    "algorithm",
    "trials",
    "count",
    "observations",
    "pending",
    "failed",
    "out_of_space",
)


class _Provider(Protocol):
    """Makes tracers: `opentelemetry.trace.TracerProvider`."""

    def get_tracer(self, name: str) -> Any:
        """Return what makes spans in the name of a library."""
        ...


class Traces(logging.Handler):
    """Makes a span of each call that the server logs, as a child of the caller's if it named one.

    Args:
        provider: Makes what spans are made with.
        services: The full name of the service of each method.
    """

    def __init__(self, provider: _Provider, services: Mapping[str, str]) -> None:
        super().__init__()
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._tracer = provider.get_tracer("suggestion")
        self._services = services
        self._server = SpanKind.SERVER
        self._extract = TraceContextTextMapPropagator().extract
        self._failed = partial(Status, StatusCode.ERROR)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._send(record)
        except Exception:  # spans may be lost, never calls
            self.handleError(record)

    def _send(self, record: logging.LogRecord) -> None:
        """Make the span of a record about a call."""
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        if "method" not in facts or "outcome" not in facts:
            return
        method, code = str(facts["method"]), str(facts["outcome"])
        service = self._services.get(method, "")
        system = RPC_SYSTEM.get()
        attributes = {
            "rpc.system": system,
            "rpc.service": service,
            "rpc.method": method,
            "suggest.code": code,
        }
        if system == "grpc":
            attributes["rpc.grpc.status_code"] = grpc.StatusCode[code].value[0]
        attributes |= {f"suggest.{key}": facts[key] for key in _FACTS if key in facts}
        if (model := getattr(record, "model_seconds", None)) is not None:
            attributes["suggest.model_seconds"] = model
        end = time.time_ns()
        span = self._tracer.start_span(
            f"{service}/{method}",
            context=self._extract(TRACE_CONTEXT.get()),
            kind=self._server,
            attributes=attributes,
            start_time=end - int(facts["ms"] * 1e6),
        )
        if code in _FAULTS:
            span.set_status(self._failed(str(facts.get("message", ""))))
        span.end(end)


def asked_for(environment: Mapping[str, str]) -> bool:
    """Return whether the variables of OpenTelemetry ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").lower() == "none":
        return False
    return any(environment.get(name) for name in _ASKING)


def start(services: Mapping[str, str]) -> None:
    """Send traces if the variables of OpenTelemetry ask for them, until the process ends.

    What cannot be sent is no reason to serve nobody: it becomes a warning in the log, as these
    variables are often set for all programs of a cluster.

    Args:
        services: The full name of the service of each method.
    """
    if not asked_for(os.environ):
        return
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        exporter = _exporter()
    except (ModuleNotFoundError, ValueError) as error:
        _warn(error)
        return
    # Of two names, that of OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES is taken.
    named = Resource({"service.name": "suggestion-servers"})
    given = Resource.create()
    unnamed = str(given.attributes.get("service.name", "")).startswith("unknown_service")
    provider = TracerProvider(resource=given.merge(named) if unnamed else given)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    logger.addHandler(Traces(provider, services))


def _exporter() -> Any:
    """Return what sends spans.

    Raises:
        ModuleNotFoundError: If its package is not installed.
        ValueError: If there is none of that name.
    """
    kind = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if kind == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415

        return ConsoleSpanExporter()
    if kind != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER: must be otlp, console or none, got {quote(kind)}")
    protocol = (
        os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "http/protobuf"
    )
    if protocol == "http/protobuf":
        from opentelemetry.exporter.otlp.proto.http import trace_exporter  # noqa: PLC0415

        return trace_exporter.OTLPSpanExporter()
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import (  # noqa: PLC0415
            trace_exporter as over_grpc,
        )

        return over_grpc.OTLPSpanExporter()
    text = f"OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf or grpc, got {quote(protocol)}"
    raise ValueError(text)


def _warn(error: Exception) -> None:
    text = str(error)
    if isinstance(error, ModuleNotFoundError):
        text = (
            f"the package {quote(error.name)} is not installed; "
            f"pip install 'suggestion-servers[otel]' brings it"
        )
    logger.warning("no traces are sent", extra={"facts": {"message": text}})
