"""What runtimes have in common whose trials run on other machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from suggestion.controller.runtime import Asked, Chosen, Option
from suggestion.problem.errors import quote
from suggestion.problem.locations import dotted


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The part of a `Place` that says where trials run: on other machines, as soon as one is free.

    Attributes:
        options, local, shared, objects, here, queues, announces, host_bound: See `Place`.
        chosen: Values of its options.
    """

    options: Sequence[Option] = ()
    local: bool = True
    shared: bool = False
    objects: bool = False
    here: bool = False
    queues: bool = True
    announces: bool = False
    host_bound: bool = False
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def configured(self, chosen: Chosen) -> Self:
        """Return the place with values of its options."""
        return replace(self, chosen=dict(chosen))

    def refusals(self, asked: Asked) -> Sequence[str]:
        """Return what it cannot honour of a run, each as *subject: rule, got value*.

        A subclass calls this by its name: ``super()`` is that of a dataclass without slots.
        """
        return list(self._refusals(asked))

    def _refusals(self, asked: Asked) -> Iterator[str]:
        if asked.gpus or asked.gpus_each:
            yield "--gpus, --gpus-per-trial: a trial gets the GPUs of resources.limits"
        if asked.cpus_each:
            rule = "a trial gets the processors of resources.limits.cpu"
            yield f"--cpus-per-trial: {rule}, got {asked.cpus_each}"
        if asked.pushed:
            yield from database_refusals(asked.database)
        if asked.checkpoints and not self.shared:
            yield "suggestion_trial_dir: checkpoints are copied here, where no trial runs"
        if not self.objects:
            for where, rule in asked.loaded.template.demand.unmet:
                yield f"{dotted(where)}: {rule}"


def database_refusals(address: str) -> Iterator[str]:
    """Yield why trials that do not run on this machine cannot push metrics to a DB manager."""
    from suggestion.api.v1beta1.channels import is_loopback  # noqa: PLC0415

    rule = "an address that the trials' machines can reach"
    if not address:
        yield f"collector Push: needs --db-manager HOST:PORT with {rule}"
    elif is_loopback(address) or address.startswith("unix:"):
        yield f"--db-manager: must be {rule}, got {quote(address)}"
