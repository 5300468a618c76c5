"""Architectures of neural networks: chains of layers with skip connections, and their space.

A layer is one of the choices of its graph, a choice being an operation with a value for each of its
parameters. Layer l also reads the output of any of the layers 0 .. l - 2, layer 0 being the
input; that of layer l - 1 it always reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, Final, TypeAlias

from suggestion.problem.errors import Invalid, Violation, Violations, quote
from suggestion.problem.lists import Categorical
from suggestion.problem.locations import Location
from suggestion.problem.parameters import LONGEST_NAME, Parameter, Value
from suggestion.problem.space import Assignment, SearchSpace

#: What a trial receives: the layers, and what the numbers in them mean.
ASSIGNED: Final = ("architecture", "nn_config")
#: What it receives where it searches by itself: settings, operations, and number of layers.
SEARCHED_BY_TRIAL: Final = ("algorithm-settings", "search-space", "num-layers")

MOST_LAYERS: Final = 64
#: Layers times choices, and sizes of an input or an output.
MOST_CHOICES: Final = 15_000
MOST_SIZES: Final = 16
_SIZE: Final = 2**31 - 1
_LONGEST_TEXT: Final = 100_000
#: Trials read the texts after replacing ' by ", as JSON.
_UNWRITABLE: Final = frozenset("'\"\\")
_YES, _NO = "1", "0"

JsonValue: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of layer.

    Attributes:
        kind: What trials know it by: ``convolution``.
        parameters: With finitely many, equally probable values each; may be none.
    """

    kind: str
    parameters: tuple[Parameter, ...] = ()

    @property
    def count(self) -> int:
        """The number of choices: combinations of the parameters' values."""
        return math.prod(parameter.levels or 0 for parameter in self.parameters)

    def choices(self) -> Iterator[Choice]:
        """Yield its choices, the last parameter running fastest."""
        names = [parameter.name for parameter in self.parameters]
        columns = [[_written(p, k) for k in range(p.levels or 0)] for p in self.parameters]
        for values in product(*columns):
            yield Choice(self.kind, tuple(zip(names, values, strict=True)))

    def violations(self) -> Iterator[Violation]:
        """Yield every rule that the operation breaks."""
        subject = f"operation {quote(self.kind)}"
        if not self.kind:
            yield Violation(("kind",), "operation: type must not be empty, got ''")
        elif len(self.kind) > LONGEST_NAME:
            rule = f"type must have at most {LONGEST_NAME} characters, got {len(self.kind)}"
            yield Violation(("kind",), f"{subject}: {rule}")
        yield from _unwritable(self.kind, ("kind",), f"{subject}: type")
        seen: set[str] = set()
        for index, parameter in enumerate(self.parameters):
            place = ("parameters", index)
            name = f"{subject}, parameter {quote(parameter.name)}"
            if parameter.name in seen:
                yield Violation((*place, "name"), f"{name}: name must not be used twice")
            seen.add(parameter.name)
            yield from _unwritable(parameter.name, (*place, "name"), f"{name}: name")
            if parameter.levels is None:
                rule = "a double of an operation needs a step, got none"
                yield Violation((*place, "step"), f"{name}: {rule}")
            elif not parameter.is_uniform:
                rule = "the values of an operation are equally probable, got another distribution"
                yield Violation((*place, "distribution"), f"{name}: {rule}")
            for text in getattr(parameter, "values", ()):
                yield from _unwritable(text, (*place, "list"), f"{name}: list entries")


@dataclass(frozen=True, slots=True)
class Choice:
    """An operation with a value for each of its parameters."""

    kind: str
    values: tuple[tuple[str, JsonValue], ...]


def _unwritable(text: str, place: Location, subject: str) -> Iterator[Violation]:
    if _UNWRITABLE.intersection(text):
        rule = "must be without quotes and backslashes, which trials cannot read"
        yield Violation(place, f"{subject} {rule}, got {quote(text)}")


def _written(parameter: Parameter, level: int) -> JsonValue:
    """Return a value as a trial receives it: a number of a lattice as one, a list's text as it is.

    The number is the decimal that `Parameter.format` writes.
    """
    value = parameter.value(level)
    if hasattr(parameter, "values"):
        return parameter.format(value)
    return value if isinstance(value, int) else float(parameter.format(value))


@dataclass(frozen=True, slots=True)
class Graph:
    """The architectures of a chain of layers.

    Attributes:
        layers: Number of layers, 1 to `MOST_LAYERS`.
        operations: At least one; those with the same type differ in their choices.
        input_sizes, output_sizes: Shapes of what goes in and comes out; empty where trials know
            them.

    Raises:
        Invalid: With every rule that the declaration breaks; locations begin with ``layers``,
            ``input_sizes``, ``output_sizes`` or ``operations``.
    """

    layers: int
    operations: tuple[Operation, ...]
    input_sizes: tuple[int, ...] = ()
    output_sizes: tuple[int, ...] = ()
    #: All choices of all operations; their positions are the numbers in an architecture.
    choices: tuple[Choice, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        found = Violations(self._violations())
        if not found:
            choices = [c for operation in self.operations for c in operation.choices()]
            if len(set(choices)) < len(choices):
                twice = next(c for k, c in enumerate(choices) if c in choices[:k])
                rule = "the choices of all operations must differ"
                text = f"operation {quote(twice.kind)}: {rule}, got {dict(twice.values)} again"
                found.append(Violation(("operations",), text))
            object.__setattr__(self, "choices", tuple(choices))
        if found:
            raise Invalid(found)

    def _violations(self) -> Iterator[Violation]:
        if not 1 <= self.layers <= MOST_LAYERS:
            rule = f"number of layers must be from 1 to {MOST_LAYERS}"
            yield Violation(("layers",), f"architecture: {rule}, got {self.layers}")
        for which in ("input", "output"):
            sizes = getattr(self, f"{which}_sizes")
            if len(sizes) > MOST_SIZES or not all(1 <= size <= _SIZE for size in sizes):
                rule = f"{which} sizes must be at most {MOST_SIZES} positive numbers"
                text = f"architecture: {rule}, got {quote([*sizes[:20]])}"
                yield Violation((f"{which}_sizes",), text)
        if not self.operations:
            rule = "must have at least one operation, got none"
            yield Violation(("operations",), f"architecture: {rule}")
        for index, operation in enumerate(self.operations):
            for violation in operation.violations():
                yield violation.under("operations", index)
        count = sum(operation.count for operation in self.operations)
        if 1 <= self.layers <= MOST_LAYERS and self.layers * count > MOST_CHOICES:
            rule = f"layers times choices of operations must be at most {MOST_CHOICES}"
            text = f"architecture: {rule}, got {self.layers} times {count}"
            yield Violation(("operations",), text)


def operation_name(layer: int) -> str:
    """Return the name of the parameter that holds the choice of a layer, which counts from 1."""
    return f"layer {layer}"


def skip_name(layer: int, source: int) -> str:
    """Return the name of the parameter that says whether `layer` reads the output of `source`."""
    return f"layer {layer} reads {source}"


@dataclass(frozen=True, slots=True)
class ArchitectureSpace(SearchSpace):
    """The architectures of a graph, as a search space of categories.

    A layer has a parameter for its choice, and one for each skip connection into it. A trial
    receives all of them as two texts, `ASSIGNED`: ``[[2], [0, 1]]`` holds for each layer the
    number of its choice, then 1 for each layer that it reads and 0 for others, from the input on;
    and a description of the graph and of the choices in use. Both are JSON, the latter with ' in
    place of ", as the usual trial images read them.
    """

    graph: Graph = field(kw_only=True)

    @classmethod
    def of(cls, graph: Graph) -> ArchitectureSpace:
        """Return the space of the architectures of `graph`."""
        numbers = tuple(map(str, range(len(graph.choices))))
        parameters = []
        for layer in range(1, graph.layers + 1):
            parameters.append(Categorical(operation_name(layer), numbers))
            parameters += [
                Categorical(skip_name(layer, source), (_NO, _YES)) for source in range(layer - 1)
            ]
        return cls(tuple(parameters), graph=graph)

    @property
    def text_bytes(self) -> int:
        """Each parameter is a number in a list, the choice of each layer is described."""
        graph = self.graph
        number = len(str(len(graph.choices))) + len("[], ")
        description = max(
            len(choice.kind.encode())
            + sum(len(json.dumps(each)) + len(", : ") for each in choice.values)
            for choice in graph.choices
        )
        used = min(graph.layers, len(graph.choices))
        frame = 2 * number + len("{'opt_id': , 'opt_type': '', 'opt_params': {}}, ")
        sizes = json.dumps([graph.layers, graph.input_sizes, graph.output_sizes])
        return number * self.dimension + used * (description + frame) + len(sizes) + 200

    @property
    def are_skips(self) -> tuple[bool, ...]:
        """Which of the parameters are skip connections; the others are choices."""
        return tuple(place > 0 for names in self._rows() for place in range(len(names)))

    def format(self, assignment: Assignment) -> dict[str, str]:
        """The two texts that a trial receives."""
        rows = [[int(assignment[name]) for name in names] for names in self._rows()]
        graph = self.graph
        used = sorted({row[0] for row in rows})
        described = {
            "num_layers": graph.layers,
            "input_sizes": graph.input_sizes,
            "output_sizes": graph.output_sizes,
            "embedding": {
                str(number): {
                    "opt_id": number,
                    "opt_type": graph.choices[number].kind,
                    "opt_params": dict(graph.choices[number].values),
                }
                for number in used
            },
        }
        texts = json.dumps(rows), json.dumps(described).replace('"', "'")
        return dict(zip(ASSIGNED, texts, strict=True))

    def parser(self) -> Callable[[Mapping[str, str]], Assignment]:
        rows = [*self._rows()]
        choices = len(self.graph.choices)

        @cache
        def values_of(text: str) -> Mapping[str, Value]:
            values: dict[str, Value] = {}
            for names, given in zip(rows, _layers(text), strict=False):
                if isinstance(given, list) and len(given) == len(names):
                    for place, (name, number) in enumerate(zip(names, given, strict=True)):
                        if type(number) is int and 0 <= number < (2 if place else choices):
                            values[name] = str(number)
            return values

        return lambda texts: dict(values_of(texts.get(ASSIGNED[0], "")))

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the names of the parameters of each layer."""
        for layer in range(1, self.graph.layers + 1):
            yield operation_name(layer), *(skip_name(layer, k) for k in range(layer - 1))


def _layers(text: str) -> list[Any]:
    """Return the list that `text` writes; an empty one if it writes none."""
    if len(text) > _LONGEST_TEXT:
        return []
    try:
        layers = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return layers if isinstance(layers, list) else []
