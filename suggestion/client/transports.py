"""Ways to an algorithm: in this process, or over gRPC to a server.

Both take and give the messages of the v1beta1 API, so the same request has the same reply.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import grpc

from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.api.v1beta1.channels import ClientTLS, open_channel
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import NEVER


class Transport(Protocol):
    """Answer the calls of the Suggestion service."""

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        """Return the suggestions that `request` asks for."""
        ...

    def validate(self, experiment: api.Experiment) -> None:
        """Raise an error if `experiment` breaks a rule."""
        ...


class InProcess:
    """Call the installed algorithms in this process, without gRPC.

    Errors are those of `suggestion.problem.errors`.
    """

    def __init__(self) -> None:
        self._service = SuggestionService(algorithms())

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        """Return the suggestions that `request` asks for.

        Raises:
            Invalid: If the request breaks rules.
            Exhausted: If the space has no more points.
            Unready: If something on this machine must be fixed first.
        """
        return self._service.get_suggestions(request, Call(NEVER))

    def validate(self, experiment: api.Experiment) -> None:
        """Check `experiment`.

        Raises:
            Invalid: With every rule that it breaks.
        """
        self._service.validate_algorithm_settings(
            api.ValidateAlgorithmSettingsRequest(experiment=experiment), Call(NEVER)
        )


class OverGrpc:
    """Call a server; the connection is opened by the first call.

    Args:
        target: ``HOST:PORT``.
        tls: None for a connection without encryption.
        timeout: Seconds to wait for a reply.
        wait: Whether this time is also spent waiting for a server that does not listen yet; else
            a call of one that does not listen fails at once.
        options: gRPC's, of the connection.
    """

    def __init__(
        self,
        target: str,
        tls: ClientTLS | None = None,
        timeout: float = 60.0,
        *,
        wait: bool = True,
        options: Iterable[tuple[str, Any]] = (),
    ) -> None:
        self._channel = open_channel(target, tls, options)
        self._stub = api_pb2_grpc.SuggestionStub(self._channel)  # type: ignore[no-untyped-call]
        self._timeout = timeout
        self._wait = wait

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        """Return the suggestions that `request` asks for.

        Raises:
            grpc.RpcError: If the server refuses or does not answer.
        """
        reply: api.GetSuggestionsReply = self._stub.GetSuggestions(
            request, timeout=self._timeout, wait_for_ready=self._wait
        )
        return reply

    def validate(self, experiment: api.Experiment) -> None:
        """Check `experiment`.

        Raises:
            grpc.RpcError: If the server refuses, with every rule that it breaks, or does not
                answer.
        """
        self._stub.ValidateAlgorithmSettings(
            api.ValidateAlgorithmSettingsRequest(experiment=experiment),
            timeout=self._timeout,
            wait_for_ready=self._wait,
        )

    @property
    def channel(self) -> grpc.Channel:
        """The connection, for calls of other services."""
        return self._channel

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> OverGrpc:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
