"""What a call costs beside parsing it, what a server costs beside its imports.

Ratios within one run, because machines differ: ``make bench``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil
from rich.console import Console
from rich.table import Table

from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.client.ask_tell import AskTell
from suggestion.client.launch import LocalServer
from suggestion.client.transports import OverGrpc
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import NEVER
from tests.support.requests import ask_for, categorical, discrete, double, experiment, integer
from tests.support.requests import trial as make_trial

TRIALS = 10_000
STREAMS = ("random", "grid", "sobol")


def request(algorithm: str, trials: int, count: int = 1) -> api.GetSuggestionsRequest:
    """An experiment of 8 mixed parameters with `trials` finished trials."""
    step = "0.001" if algorithm == "grid" else ""
    message = experiment(
        algorithm,
        [
            *(double(f"x{prior}", "0.001", "1", step, prior) for prior in range(1, 5)),
            integer("layers", "1", "100"),
            integer("width", "1", "4096", prior=api.LOG_UNIFORM),
            discrete("batch", "16", "32", "64", "128"),
            categorical("optimizer", "sgd", "adam", "ftrl"),
        ],
    )
    points = random_points(message, trials)
    made = [
        make_trial(
            f"exp-{index:06d}",
            values,
            repr(1 / (index + 1)),
            start_time="2026-01-01T00:00:00Z",
            completion_time="2026-01-01T00:10:00Z",
        )
        for index, values in enumerate(points)
    ]
    return ask_for(message, count, trials + count, made)


def random_points(message: api.Experiment, count: int) -> list[dict[str, str]]:
    """`count` random points of the space of `message`, computed here."""
    copy = api.Experiment()
    copy.CopyFrom(message)
    copy.spec.algorithm.algorithm_name = "random"
    service = SuggestionService(algorithms())
    points: list[dict[str, str]] = []
    while len(points) < count:
        wanted = min(count - len(points), 10_000)
        reply = service.get_suggestions(ask_for(copy, wanted, len(points) + wanted), Call(NEVER))
        points += [
            {a.name: a.value for a in entry.assignments} for entry in reply.parameter_assignments
        ]
    return points


def cpu(function: Callable[[], object], repeats: int = 9) -> float:
    """Least CPU seconds of one call: what it costs when nothing disturbs it."""
    costs = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        costs.append(time.process_time() - started)
    return min(costs)


def calls(table: Table) -> None:
    """Whole calls against parsing, at 10,000 trials."""
    service = SuggestionService(algorithms())
    for name in STREAMS:
        raw = request(name, TRIALS).SerializeToString()

        def parse(raw: bytes = raw) -> api.GetSuggestionsRequest:
            return api.GetSuggestionsRequest.FromString(raw)

        def call(raw: bytes = raw) -> bytes:
            parsed = api.GetSuggestionsRequest.FromString(raw)
            return service.get_suggestions(parsed, Call(NEVER, raw)).SerializeToString()

        parsing, whole = cpu(parse), cpu(call)
        table.add_row(
            f"{name}: a call with {TRIALS} trials / parsing it",
            f"{whole * 1e3:.1f} / {parsing * 1e3:.1f} ms",
            f"{whole / parsing:.2f}",
            "3",
        )


def start(table: Table) -> None:
    """Time to SERVING against the two imports that cannot be avoided, in turns."""
    imports, serving = [], []
    for _ in range(31):  # half a minute: a shared machine has bad seconds
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import grpc, numpy"], check=True)
        imports.append(time.perf_counter() - started)
        started = time.perf_counter()
        with LocalServer(("random",)) as server:
            serving.append(time.perf_counter() - started)
            server.kill()
    ours, theirs = statistics.median(serving), statistics.median(imports)
    table.add_row(
        "suggest serve random: SERVING / import grpc, numpy",
        f"{ours:.2f} / {theirs:.2f} s",
        f"{ours / theirs:.2f}",
        "2",
    )


def memory(table: Table) -> None:
    """Resident memory through an experiment of 1,000 trials, asked for one by one."""
    whole = request("random", 1000)
    with LocalServer(("random",)) as server, OverGrpc(server.address()) as remote:
        for done in range(0, 1000, 5):
            remote.suggest(ask_for(whole.experiment, 1, done + 1, whole.trials[:done]))
        resident = psutil.Process(server.process.pid).memory_info().rss / 2**20
    table.add_row(
        "suggest serve random: resident after 1,000 trials", f"{resident:.0f} MiB", "", "60"
    )


def crowd(table: Table) -> None:
    """32 clients at once: calls a second, errors, lost or doubled suggestions."""
    own_connection = [("grpc.use_local_subchannel_pool", 1)]
    with LocalServer(STREAMS) as server:
        address = server.address()

        def client(number: int) -> int:
            with OverGrpc(address, options=own_connection) as remote:
                loop = AskTell(experiment("sobol", name=f"client-{number}"), remote)
                for _ in range(50):
                    loop.ask()
            return len({tuple(trial.assignment.values()) for trial in loop.trials})

        started = time.perf_counter()
        with ThreadPoolExecutor(32) as pool:
            distinct = sum(pool.map(client, range(32)))
        seconds = time.perf_counter() - started
    table.add_row(
        "32 clients, 50 calls each: different suggestions",
        f"{distinct} of 1600, {1600 / seconds:.0f} calls/s",
        "",
        "1600",
    )


def main() -> None:
    """Prints the table."""
    table = Table(title="The core")
    for heading in ("what", "measured", "ratio", "bound"):
        table.add_column(heading)
    calls(table)
    start(table)
    memory(table)
    crowd(table)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
