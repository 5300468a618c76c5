"""Checks and their results."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import Message

from suggestion.conformance.profiles import Profile


class Service(enum.Enum):
    """A service of the contract, as named in ids and options."""

    SUGGESTION = "suggestion"
    EARLY_STOPPING = "early-stopping"
    DBMANAGER = "dbmanager"


MEDIAN: Final = "medianstop"
#: Rules that judge trials at each of several rungs.
LADDERS: Final = frozenset({"asha", "hyperband"})


class Level(enum.Enum):
    """How much is demanded; STRICT includes CONTRACT."""

    CONTRACT = "contract"  # what a controller relies on
    STRICT = "strict"  # what a good server does beyond it

    def includes(self, other: Level) -> bool:
        return self is Level.STRICT or other is Level.CONTRACT


class Outcome(enum.Enum):
    """The outcome of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"  # something it needs is missing
    NOT_APPLICABLE = "n/a"  # the rule does not apply to this algorithm


@dataclass(frozen=True, slots=True)
class Call:
    """One remote call and its answer.

    Attributes:
        method: ``Suggestion/GetSuggestions``.
        reply: None if the answer was an error.
        seconds: Time from sending to receiving.
    """

    method: str
    request: Message
    reply: Message | None
    code: grpc.StatusCode
    details: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code is grpc.StatusCode.OK

    @property
    def status(self) -> str:
        return f"{self.code.name}: {self.details}" if self.details else self.code.name


class Failed(Exception):
    """The server broke the rule of a check.

    Args:
        rule: *subject: rule, got value*.
        call: The call that shows it, if a single call does.
    """

    def __init__(self, rule: str, call: Call | None = None) -> None:
        super().__init__(rule)
        self.rule = rule
        self.call = call


class NotRun(Exception):
    """A check could not be run; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One demand, and the function that tests it.

    Attributes:
        id: Unique; stable, since reports are compared by it.
        sentence: What is demanded, and what goes wrong without it.
        run: Called with the session of its service; raises `Failed` if the demand is not met, and
            `NotRun` if that cannot be tested.
        starts: Whether it starts servers of its own, to kill them.
        last: Whether it also judges the replies to all other checks.
        applies: Returns the reason why it does not apply to an algorithm, or None.
        rules: Early-stopping rules that it is about; empty for all.
    """

    id: str
    service: Service
    level: Level
    sentence: str
    run: Callable[[Any], None]
    starts: bool = False
    last: bool = False
    applies: Callable[[Profile], str | None] = lambda profile: None
    rules: frozenset[str] = frozenset()

    def about(self, rule: str) -> bool:
        """Return whether it is about the early-stopping rule called `rule`.

        A rule that the suite does not know is taken for one that compares with a median.
        """
        known = rule if rule in LADDERS else MEDIAN
        return not self.rules or known in self.rules


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one check.

    Attributes:
        reason: The rule that was broken, or why the check was not run; empty if it passed.
        call: The call that shows the failure.
        times: Duration of each call of the check, in seconds.
        seconds: Duration of the whole check.
    """

    check: Check
    outcome: Outcome
    reason: str = ""
    call: Call | None = None
    times: tuple[float, ...] = ()
    seconds: float = 0.0


Run = TypeVar("Run", bound=Callable[[Any], None])

_checks: Final[dict[str, Check]] = {}


def add(new: Check) -> None:
    """Register a check. The order of registration is the order in reports."""
    if new.id in _checks:
        raise ValueError(f"check {new.id!r}: ids must differ")
    _checks[new.id] = new


def check(
    identity: str,
    service: Service,
    level: Level,
    *,
    starts: bool = False,
    last: bool = False,
    applies: Callable[[Profile], str | None] = lambda profile: None,
    rules: frozenset[str] = frozenset(),
) -> Callable[[Run], Run]:
    """Register a function as a check; its docstring is the sentence."""

    def decorate(run: Run) -> Run:
        sentence = " ".join((run.__doc__ or "").split())
        add(Check(identity, service, level, sentence, run, starts, last, applies, rules))
        return run

    return decorate


def all_checks() -> tuple[Check, ...]:
    """Return every check by service and level, in the order of the reports."""
    from suggestion.conformance import checks  # noqa: PLC0415 - its modules import this one

    checks.import_all()
    services, levels = list(Service), list(Level)

    def place(known: Check) -> tuple[int, int, int]:
        # Not the order in which the modules happened to be imported.
        module = known.run.__module__.rpartition(".")[2]
        return services.index(known.service), levels.index(known.level), checks.order(module)

    return tuple(sorted(_checks.values(), key=place))


def select(
    services: Iterable[Service], level: Level, only: Iterable[str] = (), rule: str = MEDIAN
) -> tuple[Check, ...]:
    """Return the checks of `services` that `level` includes, or those named in `only`.

    Args:
        rule: The rule of the early-stopping server.

    Raises:
        LookupError: `only` names an unknown check.
    """
    known = all_checks()
    wanted = set(only)
    unknown = wanted - {c.id for c in known}
    if unknown:
        raise LookupError(f"there is no check {', '.join(map(repr, sorted(unknown)))}")
    served = set(services)
    return tuple(
        c
        for c in known
        if c.service in served
        and (c.id in wanted if wanted else level.includes(c.level) and c.about(rule))
    )
