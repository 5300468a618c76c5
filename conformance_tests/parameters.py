"""The parameters of the experiments that the suite asks for."""

from __future__ import annotations

from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.messages import categorical, discrete, double, integer

Specs = tuple[pb.ParameterSpec, ...]

#: Every kind of parameter, with values whose text is easily changed by mistake.
STANDARD: Final[Specs] = (
    double("x", "-5", "5"),
    double("lr", "1e-5", "1", distribution="logUniform"),
    double("momentum", "0.1", "0.9", step="0.1"),
    double("decay", "0", "1", distribution="normal"),
    integer("layers", "1", "9"),
    integer("units", "16", "512", step="16"),
    discrete("l2", "1e-3", "0.010", "1"),
    categorical("optimizer", "sgd", "Adam W", "1.0", "größer"),
)

#: The same for algorithms that require a step for every double.
LATTICE: Final[Specs] = (
    double("x", "-5", "5", step="0.01"),
    double("momentum", "0.1", "0.9", step="0.1"),
    *STANDARD[4:],
)

#: A space of twelve points.
FINITE: Final[Specs] = (
    integer("depth", "1", "3"),
    integer("width", "10", "20", step="10"),
    categorical("activation", "relu", "tanh"),
)

#: One parameter for each distribution.
PRIORS: Final[Specs] = (
    double("uniform", "-5", "5"),
    double("logUniform", "1e-5", "1", distribution="logUniform"),
    double("normal", "0", "1", distribution="normal"),
    double("logNormal", "1e-4", "1", distribution="logNormal"),
    double("stepped", "0", "1", step="0.25"),
    integer("int", "1", "5"),
    integer("logInt", "1", "1000", distribution="logUniform"),
    integer("normalInt", "0", "10", distribution="normal"),
    discrete("discrete", "10", "1", "100"),
    categorical("categorical", "a", "b", "c", "d"),
)
