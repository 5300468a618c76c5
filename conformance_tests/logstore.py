"""An observation log in memory, served as a DBManager to early-stopping servers."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.api.v1beta1 import api_pb2_grpc

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time; without an offset it is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def time_of(second: float) -> str:
    """Return the RFC 3339 text of a time `second` seconds after a fixed one."""
    return (_BEGIN + timedelta(seconds=second)).isoformat().replace("+00:00", "Z")


class LogStore(api_pb2_grpc.DBManagerServicer):
    """The DBManager service over a dictionary."""

    def __init__(self) -> None:
        self.logs: dict[str, list[pb.MetricLog]] = {}
        self._lock = threading.Lock()

    def feed(
        self, trial: str, values: Iterable[str], metric: str = "loss", start: float = 0
    ) -> None:
        """Report `values` of `trial`, one a second."""
        with self._lock:
            log = self.logs.setdefault(trial, [])
            for second, value in enumerate(values):
                log.append(
                    pb.MetricLog(
                        time_stamp=time_of(start + second),
                        metric=pb.Metric(name=metric, value=value),
                    )
                )

    def ReportObservationLog(  # noqa: N802 - the contract's name
        self, request: pb.ReportObservationLogRequest, context: Any
    ) -> pb.ReportObservationLogReply:
        with self._lock:
            log = self.logs.setdefault(request.trial_name, [])
            known = {m.SerializeToString() for m in log}
            log += [
                m for m in request.observation_log.metric_logs if m.SerializeToString() not in known
            ]
        return pb.ReportObservationLogReply()

    def GetObservationLog(  # noqa: N802
        self, request: pb.GetObservationLogRequest, context: Any
    ) -> pb.GetObservationLogReply:
        with self._lock:
            found = list(self.logs.get(request.trial_name, ()))
        if request.metric_name:
            found = [m for m in found if m.metric.name == request.metric_name]
        if request.start_time:
            start = parse_time(request.start_time)
            found = [m for m in found if parse_time(m.time_stamp) >= start]
        if request.end_time:
            end = parse_time(request.end_time)
            found = [m for m in found if parse_time(m.time_stamp) <= end]
        found.sort(key=lambda m: parse_time(m.time_stamp))
        return pb.GetObservationLogReply(observation_log=pb.ObservationLog(metric_logs=found))

    def DeleteObservationLog(  # noqa: N802
        self, request: pb.DeleteObservationLogRequest, context: Any
    ) -> pb.DeleteObservationLogReply:
        with self._lock:
            self.logs.pop(request.trial_name, None)
        return pb.DeleteObservationLogReply()


class LogServer:
    """Serve a `LogStore` on a real socket.

    Args:
        host: The name under which the server under test reaches this machine.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.store = LogStore()
        self._server = grpc.server(ThreadPoolExecutor(16))
        api_pb2_grpc.add_DBManagerServicer_to_server(self.store, self._server)
        listen = "127.0.0.1" if host in ("127.0.0.1", "localhost") else "0.0.0.0"
        port = self._server.add_insecure_port(f"{listen}:0")
        self._server.start()
        self.address = f"{host}:{port}"

    def close(self) -> None:
        """Stop the server."""
        self._server.stop(None).wait()
