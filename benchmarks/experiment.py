"""An experiment of 1,000 trials, one request each, against a server at some address.

``docker run -d --name tpe --memory 100m --cpus 0.5 -p 127.0.0.1:6700:6789 suggestion-tpe``, then
``python -m benchmarks.experiment tpe 127.0.0.1:6700`` and ``docker stats --no-stream tpe``.
"""

from __future__ import annotations

import time

import click
import grpc

from benchmarks.regret.remote import experiment_of
from benchmarks.speed import SPACE, loss_of
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc


@click.command()
@click.argument("algorithm")
@click.argument("address")
@click.option("--trials", default=1000, show_default=True)
def main(algorithm: str, address: str, trials: int) -> None:
    """Print the wall time of the first, the middle and the last request, and the best loss."""
    stub = api_pb2_grpc.SuggestionStub(grpc.insecure_channel(address))
    request = api.GetSuggestionsRequest(experiment=experiment_of(SPACE, algorithm, {}))
    request.current_request_number = 1
    seconds, best = [], float("inf")
    for number in range(trials):
        request.total_request_number = number + 1
        started = time.perf_counter()
        reply = stub.GetSuggestions(request, timeout=60, wait_for_ready=True)
        seconds.append(time.perf_counter() - started)
        (entry,) = reply.parameter_assignments
        values = {item.name: item.value for item in entry.assignments}
        best = min(best, loss_of(values))
        trial = request.trials.add(name=f"trial-{number:05}")
        trial.spec.parameter_assignments.assignments.extend(entry.assignments)
        trial.status.condition = api.TrialStatus.SUCCEEDED
        trial.status.observation.metrics.add(name="loss", value=repr(loss_of(values)))
    marks = (seconds[1], seconds[trials // 2], seconds[-1])
    texts = " ".join(f"{mark * 1000:.0f}" for mark in marks)
    click.echo(f"{algorithm}: {trials} trials, milliseconds {texts}, best loss {best:.4g}")


if __name__ == "__main__":
    main()
