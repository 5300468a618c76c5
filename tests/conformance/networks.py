"""A correct server that searches architectures, from which bad ones differ by one fault each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.architectures import Architectures, parameters_of
from suggestion.conformance.profiles import Profile
from suggestion.conformance.space import Space

from . import reference
from .reference import PROFILE, Assignment

NETWORKS: Final[Profile] = dataclasses.replace(
    PROFILE, network=Architectures, standard=(), prior=False
)


class Networks(reference.Suggestion):
    """Draws around the best architecture."""

    def declared(self, experiment: pb.Experiment) -> Sequence[pb.ParameterSpec]:
        if not experiment.spec.HasField("nas_config"):
            return ()
        parameters: Sequence[pb.ParameterSpec] = parameters_of(experiment)
        return parameters

    def space(self, experiment: pb.Experiment) -> Space:
        return Architectures(experiment)

    def point(
        self, request: pb.GetSuggestionsRequest, space: Space, shares: Sequence[float]
    ) -> Assignment:
        return space.point(shares)
