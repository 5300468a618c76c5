"""``suggest serve dbmanager``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suggestion.api.service import Service
from suggestion.engine.algorithm import Unavailable
from suggestion.problem.errors import quote
from suggestion.server.services import ServiceOptions


class _DBManager:
    names = ("dbmanager",)
    has_own_address = False
    is_default = False  # it keeps data, and users say where

    def service(self, names: Sequence[str], options: ServiceOptions) -> Service:
        try:
            from suggestion.api.v1beta1.dbmanager_service import DBManagerService  # noqa: PLC0415
            from suggestion.observations.storage import Storage  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"'dbmanager' needs the package {quote(error.name)}, which is not installed; "
                f"pip install 'suggestion-servers[dbmanager]'"
            ) from error
        return DBManagerService(Storage(options.database), options.max_message_bytes)


DBMANAGER: Final = _DBManager()
