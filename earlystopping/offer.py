"""``suggest serve medianstop``, and what of early stopping ``suggest serve`` starts unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from earlystopping.rule import rules
from suggestion.server import Service
from suggestion.services import Flags


class _EarlyStopping:
    companion = True
    unasked = True

    @property
    def names(self) -> Sequence[str]:
        return rules().names

    def service(self, names: Sequence[str], flags: Flags) -> Service:
        from earlystopping.cluster import ClusterStatuses  # noqa: PLC0415
        from earlystopping.reader import CurveReader  # noqa: PLC0415
        from earlystopping.servicer import EarlyStoppingService  # noqa: PLC0415
        from earlystopping.statuses import (  # noqa: PLC0415
            DatabaseStatuses,
            NoStatuses,
            Statuses,
            in_cluster,
        )

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
