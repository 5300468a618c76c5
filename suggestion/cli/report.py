"""The command ``suggest report``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("metrics", nargs=-1, required=True, metavar="[NAME=]VALUE...")
@click.option("--step", type=int, help="Number of the step; it is only recorded.")
def report(metrics: tuple[str, ...], step: int | None) -> None:
    """Report metrics of the trial that this command runs in; exit with 1 when it should stop.

    A VALUE without a NAME is the objective. Outside of a trial the metrics are printed.

    \b
    for epoch in 1 2 3; do
        suggest report loss=$(train-one-epoch) --step $epoch || break
    done
    """
    from suggestion.reporting.reporter import Reporter  # noqa: PLC0415

    value, named = None, {}
    for word in metrics:
        name, equals, text = word.rpartition("=")
        try:
            number = float(text)
        except ValueError:
            raise click.BadParameter(f"must be [NAME=]NUMBER, got {word!r}") from None
        if equals:
            named[name] = number
        else:
            value = number
    reporter = Reporter(os.environ)
    folder = os.environ.get("SUGGEST_TRIAL_DIR")
    if folder:  # each report is a process of its own; rules count all of them
        path = Path(folder) / f"reports-{os.environ.get('SUGGEST_ATTEMPT') or 1}.jsonl"
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                reporter.recall(*json.loads(line))
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps([value, named])}\n")
    reporter.report(value, step, named)
    sys.exit(1 if reporter.should_stop() else 0)
