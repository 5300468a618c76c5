"""Metrics of calls for Prometheus (extra ``metrics``), made of what the log says of them."""

from __future__ import annotations

import logging
import resource
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from suggestion.api.listening import bind
from suggestion.server.calls import logger

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TRIALS: Final = (0, 1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
#: In place of a name that is none of the served ones: anybody can send any name.
_OTHER: Final = "other"


#: What adds up over the processes of a server; other metrics of processes are those of the first.
_ADDED: Final = (
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_cpu_seconds",
    "process_open_fds",
)


class _AllProcesses:
    """The usual metrics of a process, added up over this one and others that compute for it.

    Args:
        others: Returns their process ids.
    """

    def __init__(self, others: Callable[[], Iterable[int]]) -> None:
        self._others = others
        self._own = ProcessCollector(registry=None)

    def collect(self) -> Iterable[Any]:
        families = {family.name: family for family in self._own.collect()}
        for pid in self._others():
            for family in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():
                if family.name in _ADDED:
                    _add(families[family.name], family.samples[0].value)
        if cpu := families.get("process_cpu_seconds"):
            # A counter never goes back: those that have ended count too.
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            _add(cpu, ended.ru_utime + ended.ru_stime)
        return families.values()


def _add(family: Any, value: float) -> None:
    (sample,) = family.samples
    family.samples[0] = sample._replace(value=sample.value + value)


class Metrics(logging.Handler):
    """Counts the calls that the server logs.

    Args:
        names: Of the algorithms and rules that have a label of their own.
        services: The full name of the service of each method.
        others: Returns the process ids of further processes of this server.
    """

    def __init__(
        self,
        names: Collection[str],
        services: Mapping[str, str],
        others: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        super().__init__()
        self._names = frozenset(names)
        self._services = services
        self.registry = CollectorRegistry()
        self.registry.register(_AllProcesses(others))
        GCCollector(registry=self.registry)
        of = ("service", "method", "algorithm")
        self._calls = Counter(
            "suggest_calls", "Calls that have ended.", (*of, "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "suggest_call_seconds",
            "Time from the arrival of a call to its end.",
            of,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._model = Histogram(
            "suggest_model_seconds",
            "Time that an algorithm took for the suggestions of a call.",
            of,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._trials = Histogram(
            "suggest_request_trials",
            "Trials in a request.",
            of,
            buckets=_TRIALS,
            registry=self.registry,
        )

    def emit(self, record: logging.LogRecord) -> None:
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        if "method" not in facts or "outcome" not in facts:
            return
        name = str(facts.get("algorithm") or "")
        algorithm = name if not name or name in self._names else _OTHER
        method = str(facts["method"])
        labels = (self._services.get(method, ""), method, algorithm)
        self._calls.labels(*labels, str(facts["outcome"])).inc()
        self._seconds.labels(*labels).observe(facts["ms"] / 1000)
        if (model := getattr(record, "model_seconds", None)) is not None:
            self._model.labels(*labels).observe(model)
        if "trials" in facts:
            self._trials.labels(*labels).observe(facts["trials"])


class MetricsServer:
    """Serves metrics over HTTP until the process ends, also while it drains.

    Args:
        address: ``HOST:PORT``; port 0 picks a free one.
        metrics: What to serve.
    """

    def __init__(self, address: str, metrics: Metrics) -> None:
        self._address = address
        self._metrics = metrics
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> str:
        """Listen, and return the address, with the port that was picked.

        Raises:
            OSError: If it cannot be bound, or is not ``HOST:PORT``.
        """
        bind(self._address, backlog=1).close()  # which says in words why it cannot
        host, _, port = self._address.rpartition(":")
        self._server, self._thread = start_http_server(
            int(port), host.strip("[]"), self._metrics.registry
        )
        logger.addHandler(self._metrics)
        return f"{host}:{self._server.server_port}"

    async def drain(self) -> None:
        """The last calls are counted too."""

    async def close(self) -> None:
        logger.removeHandler(self._metrics)
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
