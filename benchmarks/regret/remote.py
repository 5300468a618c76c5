"""An algorithm of this project through its gRPC server, as the controller speaks to it."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import psutil

from benchmarks.regret import recommending
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell, Trial
from suggestion.client.launch import LocalServer
from suggestion.client.transports import OverGrpc
from suggestion.engine.algorithm import algorithms, build
from suggestion.engine.settings import RawSetting
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Observation

_TYPES: Final = {
    Double: api.DOUBLE,
    Int: api.INT,
    Discrete: api.DISCRETE,
    Categorical: api.CATEGORICAL,
}


class Server:
    """A server process for one algorithm, and a connection to it."""

    def __init__(self, algorithm: str) -> None:
        self._server = LocalServer((algorithm,)).__enter__()
        atexit.register(self._server.close)
        self.transport = OverGrpc(self._server.address(), timeout=600)
        self._observed = psutil.Process(self._server.process.pid)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._observed.pid

    @property
    def cpu(self) -> float:
        """CPU seconds that it has used."""
        times = self._observed.cpu_times()
        return float(times.user + times.system)

    @property
    def resident(self) -> float:
        """MiB of memory."""
        return float(self._observed.memory_info().rss) / 2**20


@lru_cache
def server_for(algorithm: str) -> Server:
    """One process for each algorithm: it keeps nothing between experiments."""
    return Server(algorithm)


def experiment_of(
    space: SearchSpace, algorithm: str, settings: Mapping[str, str], parallel: int = 1
) -> api.Experiment:
    """The experiment as the controller would send it; its metric is called ``loss``."""
    experiment = api.Experiment(name="benchmark")
    spec = experiment.spec
    spec.objective.type = api.MINIMIZE
    spec.objective.objective_metric_name = "loss"
    spec.algorithm.algorithm_name = algorithm
    spec.parallel_trial_count = parallel
    for name, value in settings.items():
        spec.algorithm.algorithm_settings.add(name=name, value=value)
    for parameter in space.parameters:
        message = spec.parameter_specs.parameters.add(name=parameter.name)
        message.parameter_type = _TYPES[type(parameter)]
        feasible = message.feasible_space
        if isinstance(parameter, Double | Int):
            feasible.min, feasible.max = repr(parameter.min), repr(parameter.max)
            if parameter.step is not None:
                feasible.step = repr(parameter.step)
            feasible.distribution = (
                api.LOG_UNIFORM if parameter.distribution.is_log else api.UNIFORM
            )
        elif isinstance(parameter, Discrete | Categorical):
            feasible.list.extend(parameter.values)
    return experiment


class Remote:
    """One experiment; the state is all here, none in the server."""

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        algorithm: str,
        settings: Mapping[str, str],
        server: Server | None = None,
    ) -> None:
        self._space = space
        given = [RawSetting(key, value) for key, value in settings.items()]
        self._algorithm = build(algorithms().load(algorithm), given).algorithm
        self._told: list[Observation] = []
        self.recommends = True
        self._server = server or server_for(algorithm)
        with_seed = {**settings, "random_state": str(seed)}
        self._loop = AskTell(
            experiment_of(space, algorithm, with_seed), self._server.transport, "trial-{:05}".format
        )
        self._cpu = self._server.cpu
        self._waiting: list[Trial] = []

    @property
    def cpu(self) -> float:
        """CPU seconds that the server has used since the start."""
        return self._server.cpu - self._cpu

    def ask(self, count: int) -> Sequence[Assignment]:
        self._waiting = self._loop.ask(count)
        return [self._space.parse(trial.assignment) for trial in self._waiting]

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        for trial, loss in zip(self._waiting, losses, strict=True):
            self._loop.tell(trial, loss)
        for point, loss in zip(points, losses, strict=True):
            self._told.append(Observation(f"trial-{len(self._told):05}", point, {"loss": loss}))

    def recommended(self) -> int | None:
        return recommending.recommended(self._algorithm, self._space, self._told)
