"""Where a trial is marked as stopped early."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Invalid, Unready

if TYPE_CHECKING:
    from suggestion.observations.storage import Storage

#: The status of a stopped trial, in the cluster and in the database.
EARLY_STOPPED: Final = "EarlyStopped"
#: Folder that Kubernetes mounts into every pod with a service account.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster() -> bool:
    """Whether this process runs in a pod with a service account."""
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


class DatabaseStatuses:
    """Store statuses in the DB manager's database, which is opened when it is first needed.

    Args:
        url: See `suggestion.observations.engine.Database`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        with self._lock:
            storage: Any = self._storage
        storage.set_status(trial, EARLY_STOPPED)

    @cached_property
    def _storage(self) -> Storage:
        try:
            from suggestion.observations.storage import Storage  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise Unready(
                f"storing trial statuses in a database needs the package {error.name!r}: "
                f"pip install 'suggestion-servers[dbmanager]', or choose another --trial-status"
            ) from error
        try:
            return Storage(self._url)
        except Invalid as error:  # not the caller's mistake
            raise Unready(f"{error}; fix --database") from error
