"""Where a trial is marked as stopped early."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol

from suggestion.problem.deadline import Deadline

#: The status of a stopped trial, in the cluster and in the database.
EARLY_STOPPED: Final = "EarlyStopped"
#: Folder that Kubernetes mounts into every pod with a service account.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster() -> bool:
    """Return whether this process runs in a pod with a service account."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (SERVICE_ACCOUNT / "token").is_file()


class Statuses(Protocol):
    """Store the statuses of trials. Thread-safe."""

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        """Mark `trial` as stopped early; repeating it changes nothing.

        Raises:
            Missing: There is no such trial.
            Denied: This server lacks the permission.
            Unreachable, TimedOut: The cluster or database does not answer; repeat the call.
            Unready: Something must be installed or set up first.
        """
        ...


class NoStatuses:
    """Accept every mark and store none."""

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        pass
