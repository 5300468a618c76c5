"""Which services ``suggest serve`` starts: providers of installed packages, chosen by name.

A name is looked up for each service: ``earlystopping/asha`` is what the service `earlystopping`
calls ``asha``. Without its service, a name that an algorithm has too is that of the algorithm.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from suggestion.api.service import Service
from suggestion.engine import installed
from suggestion.engine.algorithm import Unavailable
from suggestion.engine.installed import qualified
from suggestion.problem.errors import quote
from suggestion.problem.spelling import likely_meant

if TYPE_CHECKING:
    from suggestion.api.v1beta1.channels import ClientTLS

SERVICES: Final = "suggestion.services"


class ServiceOptions(NamedTuple):
    """What the command line says to services.

    Attributes:
        database: URL of the database.
        trial_status: Where trials are marked as stopped: ``kubernetes``, ``database``, ``none``,
            or None for what fits where this runs.
        namespace: In Kubernetes; None for the server's own.
        max_message_bytes: Longest request or reply.
        db_manager: Address of the DB manager from which early stopping reads what a stopped trial
            has reported; empty for none.
        db_manager_tls: How early stopping reads DB managers, also those that requests name; None
            for connections without encryption.
    """

    database: str
    trial_status: str | None
    namespace: str | None
    max_message_bytes: int
    db_manager: str = ""
    db_manager_tls: ClientTLS | None = None


class ServiceProvider(Protocol):
    """Makes a service, found through an entry point of the group `SERVICES`.

    Its module must be cheap to import; what the service needs is imported by `service`.
    """

    @property
    def names(self) -> Sequence[str]:
        """What users call it, or the parts of it, on the command line."""
        ...

    @property
    def has_own_address(self) -> bool:
        """Whether it listens on the address of early stopping, not on that of the others."""
        ...

    @property
    def is_default(self) -> bool:
        """Whether it is started when nothing is named."""
        ...

    def service(self, names: Sequence[str], options: ServiceOptions) -> Service:
        """Return the service for those of `names` that were asked for.

        Raises:
            Unavailable, Invalid, Unready, Unreachable: If it cannot be started; the text is for
                the user.
        """
        ...


def _by_service() -> dict[str, ServiceProvider]:
    found = installed.every(SERVICES)
    return {service: installed.load(reference) for service, reference in found.items()}


def providers() -> tuple[ServiceProvider, ...]:
    """Return those of all installed packages."""
    return tuple(_by_service().values())


class Selected(NamedTuple):
    """What to start of a service.

    Attributes:
        provider: Makes the service.
        names: As the provider has them.
        shown: The same, with the service in front of those that an algorithm has too.
    """

    provider: ServiceProvider
    names: tuple[str, ...]
    shown: tuple[str, ...]


class Selection(NamedTuple):
    """What to start.

    Attributes:
        algorithms: Names of algorithms to serve.
        services: Services that something was asked for of.
    """

    algorithms: tuple[str, ...]
    services: tuple[Selected, ...]


def select(names: Sequence[str], algorithms: Collection[str]) -> Selection:
    """Return the services that `names` stand for; all defaults if there are none.

    Args:
        names: As given on the command line, each with or without ``SERVICE/`` in front.
        algorithms: Those that are installed.

    Raises:
        Unavailable: If a name is neither an algorithm nor that of a provider.
    """
    if names and all(name in algorithms for name in names):
        return Selection(tuple(dict.fromkeys(names)), ())
    found = _by_service()
    shown = {
        service: {name: qualified(service, name, algorithms) for name in provider.names}
        for service, provider in found.items()
    }
    if not names:
        defaults = (service for service, provider in found.items() if provider.is_default)
        return Selection(
            tuple(algorithms),
            tuple(
                Selected(found[service], tuple(shown[service]), tuple(shown[service].values()))
                for service in defaults
            ),
        )
    known = [*algorithms, *(text for texts in shown.values() for text in texts.values())]
    full = {f"{service}/{name}" for service, texts in shown.items() for name in texts}
    for name in names:
        if name not in known and name not in full:
            close = likely_meant(name, known)
            hint = f"; did you mean {quote(close)}?" if close else ""
            text = f"nothing called {quote(name)} can be served; there is {', '.join(known)}{hint}"
            raise Unavailable(text)
    chosen = []
    for service, texts in shown.items():
        by_text = {text: name for name, text in texts.items()}
        by_text |= {f"{service}/{name}": name for name in texts}
        some = tuple(dict.fromkeys(by_text[name] for name in names if name in by_text))
        if some:
            chosen.append(Selected(found[service], some, tuple(texts[name] for name in some)))
    return Selection(
        tuple(dict.fromkeys(name for name in names if name in algorithms)), tuple(chosen)
    )
