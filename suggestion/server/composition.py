"""Where servers are composed: from names, addresses and options to listeners.

A further API over gRPC has its line in `APIS`; a server of a further protocol is added to what
`compose` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from suggestion.api.addresses import DEFAULT_ADDRESS, port_below
from suggestion.api.service import Service
from suggestion.engine import installed
from suggestion.engine.algorithm import Unavailable, algorithms
from suggestion.problem.errors import quote
from suggestion.server import traces
from suggestion.server.calls import Calls
from suggestion.server.grpc_server import GrpcServer
from suggestion.server.lifecycle import Listener
from suggestion.server.memory import MeasuredCapacity
from suggestion.server.options import ServeOptions
from suggestion.server.services import Selection, ServiceOptions, select

#: The services that answer for algorithms, one for each API; each is made of their registry.
APIS: Final = ("suggestion.api.v1beta1.suggestion_service:SuggestionService",)


class Served(NamedTuple):
    """A listener, and the names of what it serves."""

    listener: Listener
    names: tuple[str, ...]


def compose(
    names: Sequence[str],
    address: str | None,
    early_stopping_address: str | None,
    http_address: str | None,
    options: ServeOptions,
    service_options: ServiceOptions,
    metrics_address: str | None = None,
) -> list[Served]:
    """Make the listeners of what is named, or of all algorithms and default services.

    Args:
        names: Of algorithms and of services; empty for all.
        address: Where to listen; None for `DEFAULT_ADDRESS`.
        early_stopping_address: Where early stopping listens; None for the port below `address`,
            or `address` itself if nothing else is served.
        http_address: Where everything is served as JSON over HTTP too, if anywhere.
        options: How each server runs.
        service_options: What is said to services.
        metrics_address: Where Prometheus finds metrics, if anywhere.

    Raises:
        Unavailable, Invalid, Unready, Unreachable: If a service cannot be started; the text is for
            the user.
        OSError: If the certificate or the key cannot be read.
    """
    processes = options.processes if options.processes > 1 else 0
    measured = MeasuredCapacity(options.max_message_bytes, options.max_calls, processes=processes)
    # A long log is a large reply, for which there must be memory as well.
    service_options = service_options._replace(max_message_bytes=measured.now.message)
    selection = select(names, algorithms())
    main, apart = _services(names, selection, service_options)
    modules = tuple(map(algorithms().package, selection.algorithms if names else ()))
    calls = Calls(options.workers, measured, options.max_deadline, processes, modules)
    main_address = address or DEFAULT_ADDRESS
    own = early_stopping_address or (address if not main else None)
    groups = ((main_address, main), (own or port_below(main_address), apart))
    servers = [
        (GrpcServer(at, [service for service, _ in group], calls, options), _names(group))
        for at, group in groups
        if group
    ]
    served = [Served(*each) for each in servers]
    if http_address is not None:
        both = [*main, *apart]
        services = [service for service, _ in both]
        http = _http(http_address, services, calls, options)
        served.append(Served(http, _names(both)))
    traces.start(_service_of([*main, *apart]))
    if metrics_address is not None:
        from suggestion.earlystopping.rule import rules  # noqa: PLC0415

        both = [*main, *apart]
        names_of = [*_names(both), *rules().names]
        metrics = _metrics(metrics_address, names_of, _service_of(both), calls)
        served.append(Served(metrics, ("metrics",)))
    return served


def _metrics(
    address: str, names: Sequence[str], services: Mapping[str, str], calls: Calls
) -> Listener:
    try:
        from suggestion.server.metrics import Metrics, MetricsServer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"--metrics-address needs the package {quote(error.name)}, which is not installed; "
            f"pip install 'suggestion-servers[metrics]' brings it"
        ) from error
    return MetricsServer(address, Metrics(names, services, lambda: calls.pids))


def _http(
    address: str, services: Sequence[Service], calls: Calls, options: ServeOptions
) -> Listener:
    try:
        from suggestion.api.http.listener import HttpServer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"--http-address needs the package {quote(error.name)}, which is not installed; "
            f"pip install 'suggestion-servers[http]' brings it"
        ) from error
    return HttpServer(address, services, calls, options.tls, options.grace)


_Named = tuple[Service, tuple[str, ...]]


def _services(
    names: Sequence[str], selection: Selection, options: ServiceOptions
) -> tuple[Sequence[_Named], Sequence[_Named]]:
    """Return the services of the main address, and those of the address of early stopping."""
    main: list[_Named] = []
    apart: list[_Named] = []
    if selection.algorithms or not names:
        registry = algorithms(selection.algorithms if names else None)
        # What is named is loaded now: better a failed start than a failed call.
        for name in selection.algorithms if names else ():
            registry.load(name)
        main += [(installed.load(api)(registry), registry.names) for api in APIS]
    for provider, chosen, shown in selection.services:
        group = apart if provider.has_own_address else main
        group.append((provider.service(chosen, options), shown))
    return main, apart


def _names(group: Sequence[_Named]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, some in group for name in some))


def _service_of(group: Sequence[_Named]) -> dict[str, str]:
    """Return the full name of the service of each method."""
    return {method: service.full_name for service, _ in group for method in service.rpcs}
