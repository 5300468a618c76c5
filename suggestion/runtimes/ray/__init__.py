"""Trials as actors of Ray, on a cluster that need not see the experiment's directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from suggestion.controller.runtime import Asked, Option, Place, Runtime, Unavailable, Whose
from suggestion.runtimes.elsewhere import Elsewhere

OPTIONS: Final = (
    Option(
        "ray-address",
        "HOST:PORT",
        "Head of the cluster.  [default: RAY_ADDRESS, or the cluster of this machine]",
    ),
)


@dataclass(frozen=True, slots=True)
class _Ray(Elsewhere):
    options: Sequence[Option] = OPTIONS
    announces: bool = True

    @property
    def address(self) -> str:
        """Where the cluster is found."""
        return str(self.chosen.get("ray-address") or "auto")

    def refusals(self, asked: Asked) -> Sequence[str]:
        found = [*Elsewhere.refusals(self, asked)]
        if asked.loaded.collector.kind == "TensorFlowEvent":
            found.append("the collector TensorFlowEvent reads a folder here, where no trial runs")
        return found

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
