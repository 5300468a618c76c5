"""A service whose descriptor is in no module: it takes and gives a message of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from google.protobuf.empty_pb2 import Empty

from suggestion.api.service import Rpc, Service
from suggestion.server import ServiceOptions


class Undescribed:
    """One method, which does nothing."""

    full_name = "somebody.Undescribed"
    health_names: tuple[str, ...] = ()
    rpcs: Mapping[str, Rpc] = {"Do": Rpc(Empty, lambda _request, _call: Empty())}


class Provider:
    names = ("undescribed",)
    has_own_address = False
    is_default = False

    def service(self, names: Sequence[str], options: ServiceOptions) -> Service:
        return Undescribed()


PROVIDER = Provider()
