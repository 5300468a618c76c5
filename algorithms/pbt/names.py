"""Names of trials, which hold everything that the server cannot recompute."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 63  # characters of a DNS-1123 label

_SUFFIX: Final = re.compile(r"-g(\d{3,9})-m(\d{2,9})-(\d{4,12})(?:-p(\d{4,12}))?", re.ASCII)
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HASH: Final = 8  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a trial in its population.

    Attributes:
        generation: Index of the generation, from 0.
        member: Index of the member, below ``n_population``. A member that fails, or is late, has
            several trials in one generation.
        index: Index of its suggestion in the experiment, so that no two trials share a name.
        parent: Index of the trial that it continues from; None if there is none.
    """

    generation: int
    member: int
    index: int
    parent: int | None = None


def name(experiment: str, place: Place) -> str:
    """Return ``<experiment>-g003-m07-0042-p0031``: a DNS-1123 label that names one trial.

    It is trial 42 of the experiment, member 7 in generation 3, and continues from trial 31. An
    experiment name that is too long, or not a label, is shortened and gets a hash.
    """
    suffix = f"-g{place.generation:03d}-m{place.member:02d}-{place.index:04d}"
    if place.parent is not None:
        suffix += f"-p{place.parent:04d}"
    return _stem(experiment, LONGEST - len(suffix)) + suffix


@lru_cache(maxsize=256)
def _stem(experiment: str, room: int) -> str:
    """Return `experiment` as a label of at most `room` characters."""
    if _LABEL.fullmatch(experiment) and len(experiment) <= room:
        return experiment
    digest = hashlib.blake2b(experiment.encode(), digest_size=_HASH // 2).hexdigest()
    label = re.sub(r"[^a-z0-9]+", "-", experiment.lower())[: room - _HASH - 1].strip("-")
    return f"{label}-{digest}" if label else digest


def place(experiment: str, trial: str) -> Place | None:
    """Invert `name`; None for a trial that `name` has not named."""
    found = _SUFFIX.search(trial)
    if found is None or found.end() != len(trial):
        return None
    generation, member, index, parent = found.groups()
    read = Place(int(generation), int(member), int(index), None if parent is None else int(parent))
    return read if name(experiment, read) == trial else None
