"""Which services ``suggest serve`` starts: providers of installed packages, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, Protocol

from suggestion.api.service import Service
from suggestion.engine import installed
from suggestion.engine.algorithm import Unavailable
from suggestion.problem.errors import quote

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
    """

    database: str
    trial_status: str | None
    namespace: str | None
    max_message_bytes: int
    db_manager: str = ""


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


def providers() -> tuple[ServiceProvider, ...]:
    """Return those of all installed packages."""
    return tuple(installed.load(reference) for reference in installed.every(SERVICES).values())


class Selection(NamedTuple):
    """What to start.

    Attributes:
        algorithms: Names of algorithms to serve.
        providers: Each with the names that were asked for.
    """

    algorithms: tuple[str, ...]
    providers: tuple[tuple[ServiceProvider, tuple[str, ...]], ...]


def select(names: Sequence[str], algorithms: Collection[str]) -> Selection:
    """Return the services that `names` stand for; all defaults if there are none.

    Args:
        names: As given on the command line.
        algorithms: Those that are installed.

    Raises:
        Unavailable: If a name is neither an algorithm nor that of a provider.
    """
    if names and all(name in algorithms for name in names):
        return Selection(tuple(dict.fromkeys(names)), ())
    found = providers()
    if not names:
        defaults = tuple((each, tuple(each.names)) for each in found if each.is_default)
        return Selection(tuple(algorithms), defaults)
    known = [*algorithms, *(name for each in found for name in each.names)]
    for name in names:
        if name not in known:
            import difflib  # noqa: PLC0415  (for messages alone)

            close = difflib.get_close_matches(name[:100].lower(), known, n=1)
            hint = f"; did you mean {quote(close[0])}?" if close else ""
            raise Unavailable(
                f"algorithm {quote(name)} is not installed; there is {', '.join(known)}{hint}"
            )
    return Selection(
        _chosen(names, algorithms.__contains__),
        tuple(
            (each, chosen) for each in found if (chosen := _chosen(names, each.names.__contains__))
        ),
    )


def _chosen(names: Sequence[str], wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if wanted(name)))
