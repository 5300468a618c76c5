"""``suggest serve medianstop``, and what ``suggest serve`` starts of early stopping by default."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from suggestion.api.service import Service
from suggestion.earlystopping.rule import rules
from suggestion.problem.errors import Invalid, Unready, Violation, quote
from suggestion.server.services import ServiceOptions

if TYPE_CHECKING:
    from suggestion.api.v1beta1.log_reader import CurveReader
    from suggestion.earlystopping.statuses import Statuses


class _EarlyStopping:
    has_own_address = True
    is_default = True

    @property
    def names(self) -> Sequence[str]:
        return rules().names

    def service(self, names: Sequence[str], options: ServiceOptions) -> Service:
        from suggestion.api.v1beta1.earlystopping_service import (  # noqa: PLC0415
            EarlyStoppingService,
        )
        from suggestion.api.v1beta1.log_reader import CurveReader  # noqa: PLC0415

        registry = rules(names)
        for name in names:
            registry.load(name)
        reader = CurveReader(options.db_manager_tls)
        return EarlyStoppingService(registry, reader, _statuses(reader, options))


def _statuses(reader: CurveReader, options: ServiceOptions) -> Statuses:
    from suggestion.earlystopping.statuses import NoStatuses, in_cluster  # noqa: PLC0415

    chosen = options.trial_status or ("kubernetes" if in_cluster() else "database")
    if chosen == "none":
        return NoStatuses()
    if chosen == "database":
        from suggestion.observations.statuses import DatabaseStatuses  # noqa: PLC0415

        return DatabaseStatuses(options.database)
    from suggestion.api.v1beta1.earlystopping_messages import is_address  # noqa: PLC0415
    from suggestion.api.v1beta1.log_reader import ObservationReader  # noqa: PLC0415
    from suggestion.earlystopping.cluster import ClusterStatuses  # noqa: PLC0415

    address = options.db_manager
    if address and not is_address(address):
        text = f"--db-manager: must be HOST:PORT, got {quote(address)}"
        raise Invalid([Violation(("db_manager",), text)])
    statuses = ClusterStatuses(
        options.namespace, ObservationReader(reader, address) if address else None
    )
    # Now: while a call waits for it, the trial's collector waits too. Rules need no cluster, so
    # what is missing is told to those who call for it.
    with suppress(Unready):
        statuses.connect()
    return statuses


EARLY_STOPPING: Final = _EarlyStopping()
