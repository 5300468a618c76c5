"""What ``suggest serve`` serves beside the Suggestion service, as other packages offer it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, Protocol

from suggestion.engine import installed
from suggestion.engine.algorithm import Unavailable
from suggestion.problem.errors import quote
from suggestion.server.server import Service

OFFERS: Final = "suggestion.services"


class Flags(NamedTuple):
    """What the command line says to services.

    Attributes:
        database: URL of the database.
        trial_status: Where trials are marked as stopped: ``kubernetes``, ``database``, ``none``,
            or None for what fits where this runs.
        namespace: In Kubernetes; None for the server's own.
        max_message_bytes: Longest request or reply.
    """

    database: str
    trial_status: str | None
    namespace: str | None
    max_message_bytes: int


class Offer(Protocol):
    """A service to start, found through an entry point of the group `OFFERS`.

    Its module must be cheap to import; what the service needs is imported by `service`.
    """

    @property
    def names(self) -> Sequence[str]:
        """What users call it, or the parts of it, on the command line."""
        ...

    @property
    def companion(self) -> bool:
        """Whether it has an address of its own, that of early stopping, beside the others."""
        ...

    @property
    def unasked(self) -> bool:
        """Whether it is started when nothing is named."""
        ...

    def service(self, names: Sequence[str], flags: Flags) -> Service:
        """The service for those of `names` that were asked for.

        Raises:
            Unavailable, Invalid, Unready, Unreachable: If it cannot be started; the text is for
                the user.
        """
        ...


def offers() -> tuple[Offer, ...]:
    """All that installed packages offer."""
    return tuple(installed.load(reference) for reference in installed.every(OFFERS).values())


class Plan(NamedTuple):
    """What to start.

    Attributes:
        algorithms: Names of algorithms to serve.
        offers: Each with the names that were asked for.
    """

    algorithms: tuple[str, ...]
    offers: tuple[tuple[Offer, tuple[str, ...]], ...]


def plan(names: Sequence[str], algorithms: Collection[str]) -> Plan:
    """Which services `names` stand for; all that start unasked if there are none.

    Args:
        names: As given on the command line.
        algorithms: Those that are installed.

    Raises:
        Unavailable: If a name is neither an algorithm nor offered.
    """
    if names and all(name in algorithms for name in names):
        return Plan(tuple(dict.fromkeys(names)), ())
    found = offers()
    if not names:
        unasked = tuple((offer, tuple(offer.names)) for offer in found if offer.unasked)
        return Plan(tuple(algorithms), unasked)
    known = [*algorithms, *(name for offer in found for name in offer.names)]
    for name in names:
        if name not in known:
            import difflib  # noqa: PLC0415  (for messages alone)

            close = difflib.get_close_matches(name[:100].lower(), known, n=1)
            hint = f"; did you mean {quote(close[0])}?" if close else ""
            raise Unavailable(
                f"algorithm {quote(name)} is not installed; there is {', '.join(known)}{hint}"
            )
    return Plan(
        _chosen(names, algorithms.__contains__),
        tuple(
            (offer, chosen)
            for offer in found
            if (chosen := _chosen(names, offer.names.__contains__))
        ),
    )


def _chosen(names: Sequence[str], wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if wanted(name)))
