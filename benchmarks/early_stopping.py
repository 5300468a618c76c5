"""How fast reports are kept, and how fast rules are made of many long logs.

    python -m benchmarks.early_stopping

Starts `suggest serve dbmanager` on a new SQLite file and `suggest serve medianstop`, each in a
process of its own, and measures as a client of both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psutil

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc as services
from suggestion.api.v1beta1.channels import open_channel
from suggestion.client.launch import LocalServer


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Address and process of ``suggest serve`` with `arguments`."""
    with LocalServer(arguments) as server:
        yield server.address(), psutil.Process(server.process.pid)


class Clock:
    """Wall time, and CPU time of some processes, since it was made."""

    def __init__(self, **processes: psutil.Process) -> None:
        self._processes = processes
        self._cpu = {name: self._used(process) for name, process in processes.items()}
        self._start = time.perf_counter()

    @staticmethod
    def _used(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    def read(self) -> dict[str, float]:
        seconds = {"wall": time.perf_counter() - self._start}
        for name, process in self._processes.items():
            seconds[f"cpu {name}"] = self._used(process) - self._cpu[name]
        return {name: round(value, 3) for name, value in seconds.items()}


def at(second: int, fraction: str = "") -> str:
    """An RFC 3339 time that many seconds after the start of all trials; they report each second."""
    return f"{datetime(2026, 1, 1) + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def report(stub: Any, trial: int, reports: int) -> None:
    """One request with a trial's whole log."""
    request = api.ReportObservationLogRequest(trial_name=f"trial-{trial}")
    add = request.observation_log.metric_logs.add
    for step in range(reports):
        add(
            time_stamp=at(step, f".{trial:06d}"),
            metric={"name": "loss", "value": repr(1 / (1 + step + trial / 7))},
        )
    stub.ReportObservationLog(request, timeout=60)


def main() -> None:
    """Measures, and prints one JSON object a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument(
        "--times",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether the request says when trials started and completed",
    )
    parser.add_argument("--database", help="URL; a new SQLite file by default")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = chosen.database or f"sqlite:///{folder / 'observations.db'}"
        manager, manager_process = stack.enter_context(serving("dbmanager", "--database", database))
        stopper, stopper_process = stack.enter_context(serving("medianstop"))
        processes = {"dbmanager": manager_process, "medianstop": stopper_process}
        channels = [open_channel(address) for address in (manager, stopper)]
        logs = services.DBManagerStub(stack.enter_context(channels[0]))
        rules = services.EarlyStoppingStub(stack.enter_context(channels[1]))

        clock = Clock(dbmanager=manager_process)
        for trial in range(chosen.trials):
            report(logs, trial, chosen.reports)
        taken = clock.read()
        rate = round(chosen.trials * chosen.reports / taken["wall"])
        show("reports, a request a trial", reports_a_second=rate, **taken)

        request = api.GetEarlyStoppingRulesRequest(db_manager_address=manager)
        experiment = request.experiment
        experiment.name = "benchmark"
        experiment.spec.objective.type = api.MINIMIZE
        experiment.spec.objective.objective_metric_name = "loss"
        experiment.spec.early_stopping.algorithm_name = "medianstop"
        for trial in range(chosen.trials):
            entry = request.trials.add(name=f"trial-{trial}")
            entry.status.condition = api.TrialStatus.SUCCEEDED
            if chosen.times:
                entry.status.start_time = at(0)
                entry.status.completion_time = at(chosen.reports)
            entry.status.observation.metrics.add(name="loss", value="0.5")
        # What only the first call of a process does, on a trial that is not among the others.
        first = api.GetEarlyStoppingRulesRequest()
        first.CopyFrom(request)
        del first.trials[1:]
        rules.GetEarlyStoppingRules(first, timeout=60)

        for label in ("rules, cold", "rules, warm", "rules, warm again"):
            clock = Clock(**processes)
            reply = rules.GetEarlyStoppingRules(request, timeout=60)
            show(label, **clock.read(), value=reply.early_stopping_rules[0].value)
        million(logs, manager_process)
        for name, process in processes.items():
            show(f"resident, {name}", mib=round(process.memory_info().rss / 2**20, 1))


def million(stub: Any, process: psutil.Process) -> None:
    """One trial with a million points: all of them, and the client's default limit."""
    before = process.memory_info().rss
    for part in range(100):
        request = api.ReportObservationLogRequest(trial_name="long")
        add = request.observation_log.metric_logs.add
        for step in range(part * 10_000, part * 10_000 + 10_000):
            add(time_stamp=at(step, ".5"), metric={"name": "loss", "value": repr(1 / (1 + step))})
        stub.ReportObservationLog(request, timeout=60)
    question = api.GetObservationLogRequest(trial_name="long", metric_name="loss")
    clock = Clock(dbmanager=process)
    try:
        reply = stub.GetObservationLog(question, timeout=120)
        answer = f"{reply.ByteSize()} bytes, {len(reply.observation_log.metric_logs)} points"
    except grpc.RpcError as error:
        answer = f"{error.code().name}: {error.details()}"
    grown = (process.memory_info().rss - before) / 2**20
    show("a million points", answer=answer, grown_mib=round(grown, 1), **clock.read())


def show(what: str, **figures: Any) -> None:
    """Prints a line of JSON."""
    print(json.dumps({"what": what, **figures}), flush=True)


if __name__ == "__main__":
    main()
