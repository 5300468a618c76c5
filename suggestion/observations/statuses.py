"""Where a trial is marked as stopped early, beside its observation log."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from suggestion.earlystopping.statuses import EARLY_STOPPED
from suggestion.problem.deadline import Deadline
from suggestion.problem.errors import Invalid, Unreachable, Unready

if TYPE_CHECKING:
    from suggestion.observations.storage import Storage


class DatabaseStatuses:
    """Store statuses in the DB manager's database, which is opened when it is first needed.

    Args:
        url: See `suggestion.observations.engine.Database`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()

    def mark_stopped(self, trial: str, deadline: Deadline) -> None:
        if not deadline.acquire(self._lock):
            raise Unreachable("the database of trial statuses is being opened; try again")
        try:
            storage: Any = self._storage
        finally:
            self._lock.release()
        storage.set_status(trial, EARLY_STOPPED, deadline=deadline)

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
