"""``suggest serve medianstop``, and what ``suggest serve`` starts of early stopping by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suggestion.api.service import Service
from suggestion.earlystopping.rule import rules
from suggestion.server.services import ServiceOptions


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
        chosen = options.trial_status or ("kubernetes" if in_cluster() else "database")
        statuses: Statuses
        if chosen == "kubernetes":
            statuses = ClusterStatuses(options.namespace)
        elif chosen == "database":
            statuses = DatabaseStatuses(options.database)
        else:
            statuses = NoStatuses()
        return EarlyStoppingService(registry, CurveReader(), statuses)


EARLY_STOPPING: Final = _EarlyStopping()
