"""Suggestions from a server, over gRPC."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from suggestion.api import pem
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.channels import ClientTLS
from suggestion.api.v1beta1.messages import write_experiment
from suggestion.client.ask_tell import AskTell, Trial
from suggestion.client.replies import BadReply
from suggestion.client.servers import Client, Stopped, describe
from suggestion.client.servers import Remote as Server
from suggestion.client.targets import TARGET_RULE, is_target
from suggestion.client.transports import OverGrpc
from suggestion.controller.activity import active_texts, inactive_of
from suggestion.controller.context import Closed, ServerRefused
from suggestion.problem.errors import Exhausted, Violation
from suggestion.problem.locations import parse
from suggestion.tuning.errors import BrokenRule, InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import Method, experiment
from suggestion.tuning.library import Suggest
from suggestion.tuning.objectives import Objective
from suggestion.tuning.places import broken_rule, of_path
from suggestion.tuning.solvers import Suggested
from suggestion.tuning.space import Space
from suggestion.tuning.tls import TLS


class Remote:
    """A server over gRPC.

    Args:
        target: ``HOST:PORT``.
        timeout: Seconds to wait for each reply.
    """

    def __init__(
        self,
        name: str,
        space: Space,
        objective: Objective,
        algorithm: Method,
        target: str,
        tls: TLS | None,
        timeout: float,
        parallel: int = 0,
        trials: int = 0,
    ) -> None:
        _ = space.domain  # what is wrong with the space is said in the user's words
        if not isinstance(target, str) or not is_target(target):
            raise InvalidArgument([BrokenRule("target", f"{TARGET_RULE}, got {target!r:.80}")])
        self._space = space
        self._algorithm = algorithm
        self._target = target
        self._timeout = timeout
        self._transport = OverGrpc(target, read_tls(tls), timeout)
        document = experiment(
            name, space, objective, algorithm, parallel=parallel or None, trials=trials or None
        )
        self._inactive = inactive_of(document)
        self._loop = AskTell(write_experiment(document), self._transport)
        self._trials: dict[int, Trial] = {}

    def validate(self) -> None:
        try:
            self._loop.validate()
        except grpc.RpcError as error:
            raise self._explained(error) from error

    def suggest(self, count: int, first_index: int | None = None) -> Sequence[Suggested]:
        try:
            made = self._loop.suggest(count, first_index)
        except grpc.RpcError as error:
            raise self._explained(error) from error
        except BadReply as error:
            raise ConnectionError(f"{self._target}: {error}") from error
        # Over the API an inactive parameter has a placeholder.
        return [
            Suggested(active_texts(t.assignment, self._inactive), t.name, t.labels) for t in made
        ]

    def inactive(self, texts: Mapping[str, str]) -> frozenset[str]:
        return self._inactive(texts)

    def start(self, number: int, name: str, texts: Mapping[str, str]) -> None:
        self._trials[number] = self._loop.start(texts, name)

    def finish(self, number: int, metrics: Mapping[str, float] | None) -> None:
        trial = self._trials.pop(number)
        if metrics is None:
            self._loop.fail(trial)
        else:
            self._loop.tell(trial, metrics)

    def close(self) -> None:
        self._transport.close()

    def _explained(self, error: grpc.RpcError) -> Exception:
        """Return the exception that says to users what the server has answered."""
        code = error.code()
        if code is grpc.StatusCode.OUT_OF_RANGE:
            return SpaceExhausted(str(error.details()))
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            broken = [
                broken_rule(violation, self._algorithm, self._space)
                for violation in violations(error)
            ]
            return InvalidArgument(broken or [BrokenRule(self._target, str(error.details()))])
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ConnectionError(f"{self._target}: no answer within {self._timeout:g} seconds")
        return ConnectionError(f"{self._target}: {code.name}: {error.details()}")


def violations(error: grpc.RpcError) -> list[Violation]:
    """Return the violations that a status holds."""
    status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
    details: Sequence[Any] = () if status is None else status.details
    for detail in details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            return [
                Violation(of_path(parse(entry.field)), entry.description)
                for entry in request.field_violations
            ]
    return []


def read_tls(tls: TLS | None) -> ClientTLS | None:
    """Read and check the PEM files that `tls` names.

    Raises:
        InvalidArgument: If one is not what it should be, or they do not belong together.
    """
    if tls is None:
        return None
    authority = _read("ca", tls.ca, pem.require_certificates)
    if tls.certificate is None and tls.key is None:
        return ClientTLS(authority, name=tls.name)
    if tls.certificate is None or tls.key is None:
        lacking = "certificate" if tls.certificate is None else "key"
        rule = f"certificate and key go together, got no {lacking}"
        raise InvalidArgument([BrokenRule("tls", rule)])
    certificate = Path(tls.certificate)
    own = _read("certificate", certificate, pem.require_certificates)
    key = _read("key", tls.key, partial(pem.require_pair, certificate))
    return ClientTLS(authority, own, key, tls.name)


def _read(field: str, path: str | Path, check: Callable[[Path], None]) -> bytes:
    try:
        contents = pem.read(Path(path))
        check(Path(path))
    except pem.PemError as error:
        rule = f"{error}, got {str(path)!r}"
        raise InvalidArgument([BrokenRule(f"tls.{field}", rule)]) from error
    return contents


def suggest_over_grpc(
    target: str,
    tls: TLS | None,
    note: Callable[[str], None],
    stopped: threading.Event,
    stack: ExitStack,
) -> Suggest:
    """Return what asks a server for suggestions, again and again until it answers.

    Args:
        note: Told of each kind of trouble once.
        stopped: Set when nobody waits for answers any more.
        stack: Closes the connection, and gives up a call in flight.
    """
    client = Client("Suggestion", Server(target), note, stopped, read_tls(tls))
    stack.callback(client.close)

    def suggest(request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        try:
            reply: api.GetSuggestionsReply = client.call("GetSuggestions", request)
        except Stopped as error:
            raise Closed from error
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise Exhausted(str(error.details())) from error
            raise ServerRefused(describe(error)) from error
        return reply

    return suggest
