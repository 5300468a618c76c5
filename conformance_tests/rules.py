"""Rules that every reply to GetSuggestions must obey.

The session applies each of them to every reply that any check receives, so an error that first
occurs after 500 trials is found too. A broken rule fails its own check only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.architectures import Network
from suggestion.conformance.space import Parameter, Space

Rule: TypeAlias = Callable[[pb.GetSuggestionsRequest, pb.GetSuggestionsReply, Space], str | None]

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)


def count(
    request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply, space: Space
) -> str | None:
    """Check that there are exactly as many suggestions as requested."""
    asked, got = request.current_request_number, len(reply.parameter_assignments)
    if asked == got:
        return None
    return f"current_request_number {asked}: a reply must hold {asked} suggestions, got {got}"


def complete(
    request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply, space: Space
) -> str | None:
    """Check that every declared parameter occurs once, and no other."""
    declared = [*space.names]
    wanted = sorted(declared)
    for index, item in enumerate(reply.parameter_assignments):
        got = [a.name for a in item.assignments]
        if sorted(got) != wanted:
            return (
                f"suggestion {index}: every parameter of {declared} must be there once and no "
                f"other, got {got}"
            )
    return None


def _of_values(broken: Callable[[Parameter, str], str | None]) -> Rule:
    def rule(
        request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply, space: Space
    ) -> str | None:
        for index, item in enumerate(reply.parameter_assignments):
            for assignment in item.assignments:
                parameter = space.by_name.get(assignment.name)
                if parameter is not None and (text := broken(parameter, assignment.value)):
                    return f"suggestion {index}, {text}"
        return None

    return rule


def names(
    request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply, space: Space
) -> str | None:
    """Check that names of trials are DNS-1123 labels, and new."""
    taken = {trial.name for trial in request.trials}
    for index, item in enumerate(reply.parameter_assignments):
        name = item.trial_name
        if not name:
            continue
        if len(name) > 63 or not _LABEL.fullmatch(name):
            return (
                f"suggestion {index}: trial_name must be a DNS-1123 label of at most 63 "
                f"characters, got {name!r}"
            )
        if name in taken:
            return f"suggestion {index}: trial_name must not be used twice, got {name!r} again"
        taken.add(name)
    return None


def architectures(
    request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply, space: Space
) -> str | None:
    """Check that architectures are some of the network's, written as trials read them."""
    if not isinstance(space, Network):
        return None
    for index, item in enumerate(reply.parameter_assignments):
        assignment = {a.name: a.value for a in item.assignments}
        if {*space.names} <= {*assignment} and (text := space.broken(assignment)):
            return f"suggestion {index}, {text}"
    return None


#: By the id of the check that a broken rule fails.
RULES: Final[Mapping[str, Rule]] = {
    "exact-count": count,
    "every-parameter-once": complete,
    "number-format": _of_values(Parameter.misformatted),
    "values-in-range": _of_values(Parameter.out_of_range),
    "listed-values-verbatim": _of_values(Parameter.unlisted),
    "step-lattice": _of_values(Parameter.off_lattice),
    "trial-names": names,
    "architecture-format": architectures,
}
