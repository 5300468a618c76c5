"""``suggest serve medianstop``, and what of early stopping ``suggest serve`` starts unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suggestion.earlystopping.rule import rules
from suggestion.server.server import Service
from suggestion.server.services import Flags


class _EarlyStopping:
    companion = True
    unasked = True

    @property
    def names(self) -> Sequence[str]:
        return rules().names

    def service(self, names: Sequence[str], flags: Flags) -> Service:
        from suggestion.api.v1beta1.earlystopping_service import (  # noqa: PLC0415
            EarlyStoppingService,
        )
        from suggestion.api.v1beta1.log_reader import CurveReader  # noqa: PLC0415
        from suggestion.earlystopping.cluster import ClusterStatuses  # noqa: PLC0415
        from suggestion.earlystopping.statuses import (  # noqa: PLC0415
            NoStatuses,
            Statuses,
            in_cluster,
        )
        from suggestion.observations.statuses import DatabaseStatuses  # noqa: PLC0415

        registry = rules(names)
        for name in names:
            registry.load(name)
        chosen = flags.trial_status or ("kubernetes" if in_cluster() else "database")
        statuses: Statuses
        if chosen == "kubernetes":
            statuses = ClusterStatuses(flags.namespace)
        elif chosen == "database":
            statuses = DatabaseStatuses(flags.database)
        else:
            statuses = NoStatuses()
        return EarlyStoppingService(registry, CurveReader(), statuses)


EARLY_STOPPING: Final = _EarlyStopping()
