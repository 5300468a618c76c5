"""What users ask of a running experiment from outside: rows of its state file, until it answers.

A browser or another terminal writes a request; the runner takes it up as an event of the machine,
and stores its answer with what follows from it, in one transaction. So a request is carried out
once, whenever a process dies, and needs no port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class StopTrial:
    """End a trial; it is not run again."""

    trial: int


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Try a point next.

    Attributes:
        assignment: Texts of all parameters, by name.
    """

    assignment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SetLimits:
    """Change how far, or how wide, an experiment goes.

    Attributes:
        parallel, trials: ``parallelTrialCount`` and ``maxTrialCount``; None: as it is.
    """

    parallel: int | None = None
    trials: int | None = None

    def fields(self) -> dict[str, int]:
        """Return the fields of the spec that change."""
        named = {"parallelTrialCount": self.parallel, "maxTrialCount": self.trials}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Pause:
    """Begin no further trial; running ones go on."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a pause."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What cannot be read, of another version perhaps."""

    kind: str


Action: TypeAlias = StopTrial | Enqueue | SetLimits | Pause | Resume | Unknown

KINDS: Final[Mapping[str, type[Action]]] = {
    "stop": StopTrial,
    "enqueue": Enqueue,
    "set": SetLimits,
    "pause": Pause,
    "resume": Resume,
}
# The largest whole number that a message of the API can hold.
_MOST: Final = 2**31 - 1
_NAMES: Final = {made: kind for kind, made in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """An action that somebody has asked for."""

    number: int
    action: Action


@dataclass(frozen=True, slots=True)
class Answer:
    """What has become of a request.

    Attributes:
        request: Its number.
        done: It is carried out, or will be; else it is refused.
        text: For people.
    """

    request: int
    done: bool
    text: str


def dump(action: Action) -> tuple[str, Mapping[str, Any]]:
    """Return the kind of an action, and its fields for JSON."""
    if isinstance(action, Unknown):
        return action.kind, {}
    return _NAMES[type(action)], asdict(action)


def load(kind: str, content: Any) -> Action:
    """Return what `dump` has written."""
    try:
        return read(kind, content)
    except ValueError:
        return Unknown(kind)


def read(kind: str, content: Any) -> Action:
    """Return an action by its kind and the values of its fields, by name.

    Raises:
        ValueError: If they make none.
    """
    made = KINDS.get(kind)
    if made is None:
        raise ValueError(f"action: must be one of {', '.join(KINDS)}, got {kind!r}")
    try:
        action = made(**content)
    except TypeError as error:
        rule = "its fields must be " + (", ".join(field.name for field in fields(made)) or "none")
        raise ValueError(f"action {kind!r}: {rule}, got {content!r}") from error
    match action:
        case StopTrial(trial) if not _count(trial, 0):
            raise ValueError(f"trial: must be the number of a trial, got {trial!r}")
        case Enqueue(assignment) if not _texts(assignment):
            raise ValueError(f"assignment: must be an object of texts, got {assignment!r}")
        case SetLimits():
            if not action.fields():
                raise ValueError("nothing to change: give parallelTrialCount or maxTrialCount")
            for name, value in action.fields().items():
                if not _count(value, 1):
                    rule = f"must be a whole number from 1 to {_MOST}"
                    raise ValueError(f"{name}: {rule}, got {value!r}")
        case _:
            pass
    return action


def _count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MOST


def _texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )
