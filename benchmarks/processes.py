"""Calls a second with one process and with several: ``python -m benchmarks.processes``.

A server is asked for one suggestion after a history of 100 trials of 4 parameters, by as many
clients at a time as ``--clients`` says, each with a connection of its own. Servers with one process
and with ``--processes`` take turns, so that what else the machine does meets both. The clients are
on the same machine: their share of the processors is printed too, and counts against both.

The bound for two processors is a ratio of 1.5, for `tpe` and for `bayesianoptimization`.
"""

from __future__ import annotations

import threading
import time
from statistics import median

import click
import psutil

from benchmarks import yardstick
from benchmarks.speed import SPACE, loss_of
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.channels import open_channel
from suggestion.client.launch import LocalServer
from suggestion.numerics import sampling
from tests.support.requests import ask_for, double, experiment, trial

_TRIALS = 100


def request_of(algorithm: str, trials: int = _TRIALS, name: str = "e") -> api.GetSuggestionsRequest:
    """Return a request for one suggestion after so many trials of four parameters."""
    parameters = [double(f"x{k}", "0", "1") for k in range(4)]
    points = sampling.independent(SPACE, 1, 0, trials)
    losses = [loss_of(SPACE.format(point)) for point in points]
    history = []
    for number, loss in enumerate(losses):
        values = {f"x{k}": f"{(number * (2 * k + 3) * 0.618) % 1:.6f}" for k in range(4)}
        history.append(trial(f"t{number}", values, str(loss)))
    return ask_for(experiment(algorithm, parameters, name=name), 1, trials + 1, history)


def calls_a_second(
    address: str, request: api.GetSuggestionsRequest, clients: int, seconds: float
) -> float:
    """Return how many calls a second are answered to so many clients at once."""
    done = [0] * clients
    raw = request.SerializeToString()
    until = time.monotonic() + seconds

    def ask(number: int) -> None:
        with open_channel(address) as channel:
            method = channel.unary_unary(
                "/api.v1.beta1.Suggestion/GetSuggestions",
                request_serializer=None,
                response_deserializer=api.GetSuggestionsReply.FromString,
            )
            while time.monotonic() < until:
                method(raw, wait_for_ready=True)
                done[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.monotonic() - began)


def warm(address: str, request: api.GetSuggestionsRequest, calls: int = 8) -> None:
    """Have every process compute once: imports are not what is measured."""
    with open_channel(address) as channel:
        stub = api_pb2_grpc.SuggestionStub(channel)
        for future in [stub.GetSuggestions.future(request) for _ in range(calls)]:
            future.result()


@click.command()
@click.argument("algorithms", nargs=-1)
@click.option("--processes", default=2, show_default=True)
@click.option("--clients", default=8, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="Of each round.")
@click.option("--rounds", default=3, show_default=True)
def main(
    algorithms: tuple[str, ...], processes: int, clients: int, seconds: float, rounds: int
) -> None:
    """Print a table with a row for each of ALGORITHMS."""
    click.echo(yardstick.line())
    click.echo(f"calls a second of {clients} clients, {_TRIALS} trials; medians of {rounds} rounds")
    click.echo(f"| algorithm | one process | {processes} | ratio | clients' CPUs |")
    click.echo("|---|---|---|---|---|")
    for algorithm in algorithms or ("tpe", "bayesianoptimization"):
        request = request_of(algorithm)
        rates: tuple[list[float], list[float]] = ([], [])
        with (
            LocalServer((algorithm,)) as one,
            LocalServer((algorithm, "--processes", str(processes))) as several,
        ):
            servers = (one, several)
            for server in servers:
                warm(server.address(), request)
            used = psutil.Process().cpu_times()
            began = time.monotonic()
            for _ in range(rounds):
                for server, found in zip(servers, rates, strict=True):
                    found.append(calls_a_second(server.address(), request, clients, seconds))
            times = psutil.Process().cpu_times()
            own = (times.user + times.system - used.user - used.system) / (time.monotonic() - began)
        first, second = map(median, rates)
        click.echo(
            f"| {algorithm} | {first:.1f} | {second:.1f} | {second / first:.2f} | {own:.2f} |"
        )


if __name__ == "__main__":
    main()
