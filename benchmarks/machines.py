"""What the runner costs with trials on many machines.

``python -m benchmarks.machines slurm`` with the cluster that ``SLURM_CONF`` names, or ``ray`` with
that of ``RAY_ADDRESS``: a thousand trials of nothing, 64 at a time. CPU is that of the runner and
of the commands that it calls, without that of servers and trials.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.experiments import Silent, document
from suggestion.client.launch import LocalServer
from suggestion.runner import runner

LIMIT: Final = 0.050


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Prints the figures; exit status 1 if a trial costs more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=("slurm", "ray"))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--parallel", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="that nodes see; default: a temporary one")
    asked = parser.parse_args()
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(dir=asked.folder))
        folder = Path(made)
        servers = [
            LocalServer(("random",), folder / "suggestion.log"),
            LocalServer(
                ("dbmanager", "--database", f"sqlite:///{folder / 'log.db'}"),
                folder / "database.log",
            ),
        ]
        for server in servers:
            stack.callback(server.stop)
            server.launch()
        trial = json.loads(json.dumps(document(asked.parallel)))
        trial["spec"]["maxTrialCount"] = str(asked.trials)
        trial["spec"]["trialTemplate"] = {
            "command": ["sh", "-c", "echo loss=${trialParameters.x}"],
            "resources": {"limits": {"cpu": "1"}},
        }
        path = folder / "machines.yaml"
        path.write_text(json.dumps(trial))
        request = runner.Request(
            path,
            target=servers[0].address(),
            database=servers[1].address(),
            directory=folder / "state",
            runtime=asked.runtime,
        )
        begun, cpu = time.perf_counter(), _cpu()
        runner.run(request, Silent())
        wall, own = time.perf_counter() - begun, (_cpu() - cpu) / asked.trials
    print(
        f"{asked.runtime}: {asked.trials} trials, {asked.parallel} at a time: {wall:.0f} s, "
        f"{own * 1000:.1f} ms of CPU a trial, at most {LIMIT * 1000:.0f}"
    )
    raise SystemExit(own > LIMIT)


if __name__ == "__main__":
    main()
