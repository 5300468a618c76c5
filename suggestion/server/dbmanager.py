"""``suggest serve dbmanager``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from suggestion.engine.algorithm import Unavailable
from suggestion.problem.errors import quote
from suggestion.server.server import Service
from suggestion.server.services import Flags


class _DBManager:
    names = ("dbmanager",)
    companion = False
    unasked = False  # it keeps data, so it is for users to say where

    def service(self, names: Sequence[str], flags: Flags) -> Service:
        try:
            from suggestion.api.v1beta1.dbmanager_service import DBManagerService  # noqa: PLC0415
            from suggestion.observations.storage import Storage  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"'dbmanager' needs the package {quote(error.name)}, which is not installed; "
                f"pip install 'suggestion-servers[dbmanager]'"
            ) from error
        return DBManagerService(Storage(flags.database), flags.max_message_bytes)


DBMANAGER: Final = _DBManager()
