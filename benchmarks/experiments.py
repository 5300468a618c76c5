"""What the runner costs beside the trials: ``python -m benchmarks.experiments``.

A thousand trials that sleep for 10 ms, one at a time and several at a time. The overhead is the
time from the beginning to the end of the experiment for each trial, less the sleep that trials side
by side share; CPU is the runner's own, without that of servers and trials.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from suggestion.client.launch import LocalServer
from suggestion.controller.driver import Controller
from suggestion.controller.trials import Trial
from suggestion.runner import runner

TRIALS = 1000
SLEEP = 0.010
PARALLEL = (1, 4, 64)
LIMIT = 0.030


class Silent:
    """A view that shows nothing."""

    def note(self, text: str) -> None:
        pass

    def changed(self, trial: Trial) -> None:
        pass

    def refresh(self, controller: Controller) -> None:
        pass


def document(parallel: int) -> dict[str, object]:
    space = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
    command = ["/bin/sh", "-c", f"echo loss=${{trialParameters.x}}; exec sleep {SLEEP}"]
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": f"overhead-{parallel}"},
        "spec": {
            "parallelTrialCount": str(parallel),
            "maxTrialCount": str(TRIALS),
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parameters": [space],
            "trialTemplate": {"command": command},
        },
    }


def main() -> None:
    """Prints the table; exit status 1 if a trial costs more than the limit."""
    table = Table(title=f"{TRIALS} trials of {SLEEP * 1000:.0f} ms")
    for heading in ("parallel", "seconds", "overhead, ms a trial", "runner's CPU, ms a trial"):
        table.add_column(heading, justify="right")
    broken = False
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        suggestion = LocalServer(("random",), folder / "suggestion.log")
        database = LocalServer(
            ("dbmanager", "--database", f"sqlite:///{folder / 'log.db'}"), folder / "database.log"
        )
        for server in (suggestion, database):
            stack.callback(server.stop)
            server.launch()
        for parallel in PARALLEL:
            path = folder / f"{parallel}.yaml"
            path.write_text(json.dumps(document(parallel)))
            request = runner.Request(
                path,
                target=suggestion.address(),
                database=database.address(),
                directory=folder / str(parallel),
            )
            begun, cpu = time.perf_counter(), time.process_time()
            runner.run(request, Silent())
            wall, own = time.perf_counter() - begun, time.process_time() - cpu
            overhead = wall / TRIALS - SLEEP / parallel
            broken = broken or overhead > LIMIT
            table.add_row(
                str(parallel),
                f"{wall:.1f}",
                f"{overhead * 1000:.1f}",
                f"{own / TRIALS * 1000:.1f}",
            )
    Console().print(table)
    raise SystemExit(broken)


if __name__ == "__main__":
    main()
