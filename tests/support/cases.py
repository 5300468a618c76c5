"""For every registered algorithm, what it needs to be called; read from examples/<name>.yaml."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.client import manifest, schema
from suggestion.client.transports import InProcess
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import Engine, Prepared
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Invalid
from tests.support.requests import experiment

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: Those that search for architectures, not for values of parameters: see tests/nas.
ARCHITECTURES = ("darts", "enas")
NAMES = tuple(name for name in algorithms() if name not in ARCHITECTURES)
WITH_EXAMPLE = tuple(name for name in NAMES if (EXAMPLES / f"{name}.yaml").exists())
#: Of this test process, removed at its end.
_FOLDER = TemporaryDirectory(prefix="suggest-checkpoints-")


@dataclass(frozen=True)
class Case:
    """An algorithm with the settings of its example, and the parameters that those name."""

    name: str
    settings: tuple[tuple[str, str], ...]
    needed: tuple[api.ParameterSpec, ...]

    def experiment(
        self, parameters: Sequence[api.ParameterSpec], **more: object
    ) -> api.Experiment | None:
        """An experiment on `parameters` and those needed; None if the algorithm refuses it."""
        needed = {spec.name for spec in self.needed}
        specs = [*self.needed, *(spec for spec in parameters if spec.name not in needed)]
        message = experiment(self.name, specs, settings=self.settings, **more)  # type: ignore[arg-type]
        try:
            prepare(message)
        except Invalid:
            return None
        return message


@cache
def case_of(name: str) -> Case:
    if name not in WITH_EXAMPLE:
        return Case(name, (), ())
    path = EXAMPLES / f"{name}.yaml"
    document = manifest.load(path, schema.EXPERIMENT, kind="Experiment").document
    message = wire.write_experiment(document)
    for item in message.spec.algorithm.algorithm_settings:
        if item.name == "suggestion_trial_dir":  # algorithms write there
            item.value = _FOLDER.name
    settings = tuple(
        (item.name, item.value)
        for item in message.spec.algorithm.algorithm_settings
        if item.name != "objectives"  # of the example's own metrics
    )
    named = {value for _, value in settings}
    needed = tuple(p for p in message.spec.parameter_specs.parameters if p.name in named)
    return Case(name, settings, needed)


def prepare(message: api.Experiment, deadline: Deadline = NEVER) -> Prepared:
    """What the engine of this process makes of `message`."""
    choice = wire.read_algorithm(message.spec.algorithm)
    return ENGINE.prepare(wire.read_problem(message), choice, deadline=deadline)


ENGINE = Engine(algorithms())
_HERE = InProcess()


def suggest(request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
    """The reply of this process; exceptions of `suggestion.problem.errors` come through."""
    return _HERE.suggest(request)


def validate(message: api.Experiment) -> None:
    """Raises Invalid if this process refuses the experiment."""
    _HERE.validate(message)
