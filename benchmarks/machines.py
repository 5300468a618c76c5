"""What trials on many machines cost the runner, in CPU and in calls to the scheduler.

``python -m benchmarks.machines slurm`` with the cluster of ``SLURM_CONF``, ``ray`` with that
of ``RAY_ADDRESS``, ``kubernetes --image IMAGE`` with that of ``KUBECONFIG``; IMAGE has a shell, and
is where the nodes can get it. ``slurm --start`` and ``ray --start`` start the cluster of the tests
on this machine. Trials of nothing: 1,000, 64 at a time; 200, 16 at a time on Kubernetes. CPU is
that of the runner and of the commands that it calls, without that of servers and trials.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.experiments import Silent, document
from suggestion.client.launch import LocalServer
from suggestion.runner import runner

LIMIT: Final = 0.050
#: How many trials, and how many of them at a time.
SIZES: Final = {"slurm": (1000, 64), "ray": (1000, 64), "kubernetes": (200, 16)}


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# --------------------------------------------------------------------- calls to the scheduler


def _counted(owner: Any, name: str, count: Callable[..., None]) -> None:
    """Have `count` called with the arguments of each call of a function."""
    whole = getattr(owner, name)

    @functools.wraps(whole)
    def call(*arguments: Any, **named: Any) -> Any:
        count(*arguments)
        return whole(*arguments, **named)

    setattr(owner, name, call)


def _count_commands(calls: Counter[str]) -> None:
    from suggestion.runtimes.slurm import commands  # noqa: PLC0415

    _counted(commands, "_run", lambda argv, *_: calls.update([argv[0]]))


def _count_requests(calls: Counter[str]) -> None:
    from suggestion.runtimes.kubernetes.api import Api  # noqa: PLC0415

    def count(api: Api, method: str, path: str, query: Any, *_: Any) -> None:
        watch = bool(query and "watch" in query)
        calls[
            f"{'WATCH' if watch else method} {path.rpartition(api.namespace)[2].split('/')[1]}"
        ] += 1

    _counted(Api, "_request", count)


def _count_actors(calls: Counter[str]) -> None:
    import ray.actor  # noqa: PLC0415

    _counted(
        ray.actor.ActorMethod, "_remote", lambda method, *_: calls.update([method._method_name])
    )
    _counted(ray.actor.ActorClass, "_remote", lambda *_: calls.update(["create"]))


_COUNTERS: Final = {
    "slurm": _count_commands,
    "ray": _count_actors,
    "kubernetes": _count_requests,
}


# --------------------------------------------------------------------------------- clusters


@contextlib.contextmanager
def _started(name: str, parallel: int) -> Iterator[None]:
    """Start the cluster of the tests on this machine."""
    if name == "slurm":
        from tests.slurm.cluster import cluster  # noqa: PLC0415

        with (
            tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder,
            cluster(Path(folder), cpus=(parallel + 1) // 2) as slurm,
        ):
            os.environ |= {key: slurm.env[key] for key in ("SLURM_CONF", "PATH")}
            yield
    else:
        from tests.ray.conftest import cluster_of  # noqa: PLC0415

        with cluster_of(2, (parallel + 1) // 2) as nodes:
            os.environ["RAY_ADDRESS"] = nodes.address
            yield


def _experiment(asked: argparse.Namespace) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(document(asked.parallel)))
    made["spec"]["maxTrialCount"] = str(asked.trials)
    trial = {"command": ["sh", "-c", "echo loss=${trialParameters.x}"]}
    if asked.runtime == "kubernetes":
        made["spec"]["trialTemplate"] = {**trial, "image": asked.image}
    else:
        made["spec"]["trialTemplate"] = {**trial, "resources": {"limits": {"cpu": "1"}}}
    return made


def main() -> None:
    """Print the figures; exit status 1 if a trial costs more than the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runtime", choices=tuple(SIZES))
    parser.add_argument("--trials", type=int)
    parser.add_argument("--parallel", type=int)
    parser.add_argument("--folder", type=Path, help="that nodes see; default: a temporary one")
    parser.add_argument("--start", action="store_true", help="start a cluster on this machine")
    parser.add_argument("--image", default="", help="of the trials on Kubernetes")
    parser.add_argument("--namespace", default="default", help="of the trials on Kubernetes")
    asked = parser.parse_args()
    trials, parallel = SIZES[asked.runtime]
    asked.trials, asked.parallel = asked.trials or trials, asked.parallel or parallel
    calls: Counter[str] = Counter()
    with ExitStack() as stack:
        if asked.start:
            stack.enter_context(_started(asked.runtime, asked.parallel))
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
        path = folder / "machines.yaml"
        path.write_text(json.dumps(_experiment(asked)))
        named = {"namespace": asked.namespace} if asked.runtime == "kubernetes" else {}
        request = runner.Request(
            path,
            target=servers[0].address(),
            database=servers[1].address(),
            directory=folder / "state",
            runtime=asked.runtime,
            runtime_options=named,
        )
        _COUNTERS[asked.runtime](calls)
        begun, cpu = time.perf_counter(), _cpu()
        runner.run(request, Silent())
        wall, own = time.perf_counter() - begun, (_cpu() - cpu) / asked.trials
    print(
        f"{asked.runtime}: {asked.trials} trials, {asked.parallel} at a time: {wall:.0f} s, "
        f"{own * 1000:.1f} ms of CPU a trial, at most {LIMIT * 1000:.0f}"
    )
    print(
        f"calls: {calls.total() / asked.trials:.2f} a trial, {calls.total() / wall:.1f} a second; "
        + ", ".join(f"{count} {name}" for name, count in calls.most_common())
    )
    raise SystemExit(own > LIMIT)


if __name__ == "__main__":
    main()
