"""Trials as actors of Ray, on a cluster that need not see the experiment's directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any, Final

from suggestion.controller.runtime import (
    Asked,
    Chosen,
    Option,
    Place,
    Runtime,
    Unavailable,
    Whose,
)
from suggestion.problem.locations import dotted

OPTIONS: Final = (
    Option(
        "ray-address",
        "HOST:PORT",
        "Head of the cluster.  [default: RAY_ADDRESS, or the cluster of this machine]",
    ),
)


@dataclass(frozen=True, slots=True)
class _Ray:
    local: bool = True
    shared: bool = False
    here: bool = False
    objects: bool = False
    queues: bool = True
    host_bound: bool = False
    options: Sequence[Option] = OPTIONS
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, chosen: Chosen) -> _Ray:
        return replace(self, chosen=dict(chosen))

    @property
    def address(self) -> str:
        """Where the cluster is found."""
        return str(self.chosen.get("ray-address") or "auto")

    def refusals(self, asked: Asked) -> Sequence[str]:
        return list(self._refusals(asked))

    def _refusals(self, asked: Asked) -> Iterator[str]:
        if asked.gpus or asked.gpus_each:
            yield "--gpus, --gpus-per-trial: a trial gets the GPUs of resources.limits"
        if asked.cpus_each:
            yield "--cpus-per-trial: a trial gets the processors of resources.limits.cpu"
        if asked.pushed and not asked.database:
            yield "the collector Push needs --db-manager with an address that nodes can reach"
        if asked.checkpoints:
            yield "suggestion_trial_dir: checkpoints are copied here, where no trial runs"
        if asked.loaded.collector.kind == "TensorFlowEvent":
            yield "the collector TensorFlowEvent reads a folder here, where no trial runs"
        for where, rule in asked.loaded.template.demand.unmet:
            yield f"{dotted(where)}: {rule}"

    def check(self, asked: Asked) -> None:
        if find_spec("ray") is None:
            raise Unavailable(
                "--runtime ray needs the package 'ray', which is not installed; "
                "pip install 'suggestion-servers[ray]' brings it"
            )
        from suggestion.runtimes.ray import connection  # noqa: PLC0415

        connection.reach(self.address)

    def open(self, whose: Whose) -> Runtime:
        from suggestion.runtimes.ray.runtime import RayRuntime  # noqa: PLC0415

        return RayRuntime(whose, self.address)


PLACE: Final[Place] = _Ray()
