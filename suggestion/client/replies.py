"""Replies of a Suggestion server, read and checked against the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.problem.errors import quote

#: A name that an object of a cluster can have (RFC 1123).
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class BadReply(Exception):
    """A reply breaks the contract; the text says how."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One suggestion of a reply.

    Attributes:
        assignment: Value of each parameter, as text.
        name: The trial's name; empty if the algorithm leaves it to the client.
        labels: What the algorithm says of it, for people.
    """

    assignment: Mapping[str, str]
    name: str
    labels: Mapping[str, str]


def read_suggestions(
    reply: api.GetSuggestionsReply, count: int, parameters: Sequence[str]
) -> list[Entry]:
    """Return the suggestions of `reply`.

    Args:
        reply: As it came.
        count: How many were asked for.
        parameters: Names of the experiment's parameters.

    Raises:
        BadReply: If there is another number than asked for, a parameter is missing, unknown or
            there twice, or a name is not one that a trial can have, or used twice.
    """
    found = reply.parameter_assignments
    if len(found) != count:
        raise BadReply(f"asked for {count} suggestions, got {len(found)}")
    wanted = sorted(parameters)
    entries: list[Entry] = []
    names: set[str] = set()
    for entry in found:
        assignment = {a.name: a.value for a in entry.assignments}
        if sorted(assignment) != wanted or len(entry.assignments) != len(assignment):
            got = ", ".join(a.name for a in entry.assignments) or "none"
            raise BadReply(f"a suggestion must have {', '.join(parameters)}, each once; got {got}")
        name = entry.trial_name
        if name and not _LABEL.fullmatch(name):
            raise BadReply(f"a trial name must be a DNS label, got {quote(name)}")
        if name in names:
            raise BadReply(f"trial names must differ, got {quote(name)} twice")
        if name:
            names.add(name)
        entries.append(Entry(assignment, name, dict(entry.labels)))
    return entries
