"""The command ``suggest report``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from suggestion.reporting.reporter import Reporter


@click.command()
@click.argument("metrics", nargs=-1, required=True, metavar="[NAME=]VALUE...")
@click.option("--step", type=int, help="Number of the step, >= 0; it is only recorded.")
def report(metrics: tuple[str, ...], step: int | None) -> None:
    """Report metrics of the trial that this command runs in; exit with 1 when it should stop.

    A VALUE without a NAME is the objective. Outside of a trial the metrics are printed.

    \b
    for epoch in 1 2 3; do
        suggest report loss=$(train-one-epoch) --step $epoch || break
    done
    """
    from suggestion.reporting.reporter import Reporter  # noqa: PLC0415

    given: dict[str | None, float] = {}
    for word in metrics:
        name, equals, text = word.rpartition("=")
        key = name if equals else None
        if key in given:
            what = "one VALUE without a NAME" if key is None else f"metric {name!r} once"
            raise click.BadParameter(f"needs {what} at most, got {' '.join(metrics)!r}")
        try:
            given[key] = float(text)
        except ValueError:
            raise click.BadParameter(f"must be [NAME=]NUMBER, got {word!r}") from None
    value = given.pop(None, None)
    named = {name: number for name, number in given.items() if name is not None}
    reporter = Reporter(os.environ)
    folder = os.environ.get("SUGGEST_TRIAL_DIR")
    name = f"reports-{os.environ.get('SUGGEST_ATTEMPT') or 1}.jsonl"
    path = Path(folder, name) if folder else None
    try:
        if path is not None:  # each report is a process of its own; rules count all of them
            _recall(reporter, path)
        reporter.report(value, step, named)
        if path is not None:
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps([value, named])}\n")
    except TypeError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"the report is lost: {error}") from None
    sys.exit(1 if reporter.should_stop() else 0)


def _recall(reporter: Reporter, path: Path) -> None:
    """Count the reports of this trial's earlier processes.

    A line of which a full disk or a kill left a part counts as none.
    """
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(TypeError, ValueError):
            reporter.recall(*json.loads(line))
