"""A DB manager other than ours, with logs that ours would not keep, and faults on demand."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc

Report = tuple[str, str]  # time and value


class LogServer(api_pb2_grpc.DBManagerServicer):
    """Answers GetObservationLog from `logs`, over a real socket.

    Attributes:
        logs: Reports by trial and metric, sent as they are.
        asked: Every request, in order of arrival.
        failure: Status and text to answer with, if any.
        missing: Trials to answer NOT_FOUND for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answering = threading.Event()
        self._answering.set()
        self.reset()

    def reset(self) -> None:
        self.logs: dict[tuple[str, str], list[Report]] = {}
        self.asked: list[api.GetObservationLogRequest] = []
        self.failure: tuple[grpc.StatusCode, str] | None = None
        self.missing: set[str] = set()

    def put(self, trial: str, values: Iterable[object], metric: str = "loss") -> None:
        """A log of `values`, one a second."""
        self.logs[trial, metric] = [
            (f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z", str(value))
            for second, value in enumerate(values)
        ]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Answer nobody until the end of the context."""
        self._answering.clear()
        try:
            yield
        finally:
            self._answering.set()

    @property
    def times_asked(self) -> Counter[str]:
        return Counter(request.trial_name for request in self.asked)

    def GetObservationLog(  # noqa: N802
        self, request: api.GetObservationLogRequest, context: Any
    ) -> api.GetObservationLogReply:
        with self._lock:
            self.asked.append(request)
        self._answering.wait()
        if self.failure:
            context.abort(*self.failure)
        if request.trial_name in self.missing:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is no such trial")
        reply = api.GetObservationLogReply()
        end = request.end_time or "~"
        for stamp, value in self.logs.get((request.trial_name, request.metric_name), ()):
            if stamp <= end:
                reply.observation_log.metric_logs.add(
                    time_stamp=stamp, metric={"name": request.metric_name, "value": value}
                )
        return reply


@contextmanager
def listening(servicer: LogServer, address: str = "127.0.0.1:0") -> Iterator[str]:
    """The address of a server of `servicer`."""
    server = grpc.server(
        ThreadPoolExecutor(8),
        options=[("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)],
    )
    api_pb2_grpc.add_DBManagerServicer_to_server(servicer, server)
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
