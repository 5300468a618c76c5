"""Checks of the gRPC health service."""

from __future__ import annotations

import threading

from grpc_health.v1 import health_pb2

from suggestion.conformance import messages
from suggestion.conformance.check import Call, Failed, Level, Service, check
from suggestion.conformance.session import Session

_SERVING = health_pb2.HealthCheckResponse.SERVING
#: Seconds; a liveness probe that gets no answer in this time counts as failed.
_PROBE = 4.0


def serving(call: Call, name: str) -> None:
    """Raise `Failed` unless `call` answered SERVING for `name`."""
    got = call.status
    if isinstance(call.reply, health_pb2.HealthCheckResponse):
        if call.reply.status == _SERVING:
            return
        got = health_pb2.HealthCheckResponse.ServingStatus.Name(call.reply.status)
    raise Failed(f"health of {name!r}: must be SERVING, got {got}", call)


@check("health", Service.SUGGESTION, Level.CONTRACT)
def health(session: Session) -> None:
    """The gRPC health service answers SERVING for `manager.v1beta1.Suggestion`; otherwise the pod
    is never ready and the experiment never starts.
    """
    serving(session.client.health("manager.v1beta1.Suggestion"), "manager.v1beta1.Suggestion")


@check("health-under-load", Service.SUGGESTION, Level.CONTRACT)
def health_under_load(session: Session) -> None:
    """Health checks are answered within 4 s while suggestions are computed; otherwise the cluster
    restarts a server that is only busy, and its work is lost.
    """
    experiment = session.experiment("health-under-load")
    request = messages.request(experiment, session.history(experiment, 100), 8)

    def busy() -> None:
        client = session.connect()
        session.send(request, client=client)
        client.close()

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    client = session.connect()
    try:
        while True:
            call = client.health("manager.v1beta1.Suggestion", timeout=_PROBE)
            if call.code.name in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):
                raise Failed(
                    f"health while 4 calls are in flight: must be answered within {_PROBE:.0f} s, "
                    f"got {call.status}",
                    call,
                )
            if not any(thread.is_alive() for thread in threads):
                return
            threads[0].join(0.05)
    finally:
        client.close()
        for thread in threads:
            thread.join()


@check("health-names", Service.SUGGESTION, Level.STRICT)
def health_names(session: Session) -> None:
    """Health checks also answer for the empty name and for `api.v1.beta1.Suggestion`; probes other
    than the controller's use these names.
    """
    for name in ("", "api.v1.beta1.Suggestion"):
        serving(session.client.health(name), name)
