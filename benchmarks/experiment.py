"""An experiment of 1,000 trials, one request each, against a server at some address.

``docker run -d --name tpe --memory 100m --cpus 0.5 -p 127.0.0.1:6700:6789 suggestion-tpe``, then
``python -m benchmarks.experiment tpe 127.0.0.1:6700`` and ``docker stats --no-stream tpe``.
"""

from __future__ import annotations

import time

import click

from benchmarks.regret.remote import experiment_of
from benchmarks.speed import SPACE, loss_of
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import OverGrpc


@click.command()
@click.argument("algorithm")
@click.argument("address")
@click.option("--trials", default=1000, show_default=True)
def main(algorithm: str, address: str, trials: int) -> None:
    """Print the wall time of the first, the middle and the last request, and the best loss."""
    with OverGrpc(address) as server:
        loop = AskTell(experiment_of(SPACE, algorithm, {}), server, "trial-{:05}".format)
        seconds, best = [], float("inf")
        for _ in range(trials):
            started = time.perf_counter()
            (trial,) = loop.ask()
            seconds.append(time.perf_counter() - started)
            loss = loss_of(trial.assignment)
            loop.tell(trial, loss)
            best = min(best, loss)
    marks = (seconds[1], seconds[trials // 2], seconds[-1])
    texts = " ".join(f"{mark * 1000:.0f}" for mark in marks)
    click.echo(f"{algorithm}: {trials} trials, milliseconds {texts}, best loss {best:.4g}")


if __name__ == "__main__":
    main()
