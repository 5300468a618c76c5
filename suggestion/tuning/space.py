"""A whole search space: what a user wrote, read into parameters, checked, and put into text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.spaces import Listed, Parameter, Range, whole

if TYPE_CHECKING:
    from suggestion.problem import parameters as domain
    from suggestion.problem.space import SearchSpace

#: A parameter as an Experiment file declares it: name, parameterType, feasibleSpace.
Declaration = Mapping[str, "str | Mapping[str, str | Sequence[str]]"]


@dataclass(frozen=True)
class Space:
    """The parameters of a search space by name.

    Attributes:
        parameters: In the order in which the user wrote them.
        places: What each parameter is called in error messages: ``space['lr']``.
    """

    parameters: Mapping[str, Parameter[object]]
    places: Mapping[str, str]

    def __getstate__(self) -> Mapping[str, object]:
        return {"parameters": self.parameters, "places": self.places}

    def place(self, name: str) -> str:
        """Return what the parameter `name` is called in error messages."""
        return self.places.get(name, f"space[{name!r}]")

    # ---------------------------------------------------------------- declarations

    def declarations(self) -> list[dict[str, object]]:
        """Return ``spec.parameters`` of an Experiment file."""
        made: list[dict[str, object]] = []
        for name, parameter in self.parameters.items():
            kind, feasible = parameter.declare()
            made.append({"name": name, "parameterType": kind, "feasibleSpace": dict(feasible)})
        return made

    @cached_property
    def domain(self) -> SearchSpace:
        """The space as algorithms see it.

        Raises:
            InvalidArgument: With every rule that the space breaks.
        """
        from suggestion.problem import lists, numeric, priors  # noqa: PLC0415
        from suggestion.problem.errors import Invalid  # noqa: PLC0415
        from suggestion.problem.space import SearchSpace  # noqa: PLC0415
        from suggestion.tuning.places import broken_parameter  # noqa: PLC0415

        made: list[domain.Parameter] = []
        broken: list[BrokenRule] = []
        for name, parameter in self.parameters.items():
            kind, feasible = parameter.declare()
            try:
                if isinstance(parameter, Listed):
                    listed = lists.Discrete if kind == "discrete" else lists.Categorical
                    made.append(listed(name, parameter.texts))
                else:
                    ranged = numeric.Int if kind == "int" else numeric.Double
                    distribution = priors.Distribution(feasible.get("distribution", "uniform"))
                    step = feasible.get("step")
                    made.append(ranged(name, feasible["min"], feasible["max"], step, distribution))
            except Invalid as error:
                broken += [
                    broken_parameter(self, name, violation.location, violation.description)
                    for violation in error.violations
                ]
        if not broken and not made:
            broken.append(BrokenRule("space", "must have at least one parameter, got none"))
        if broken:
            raise InvalidArgument(broken)
        try:
            return SearchSpace(tuple(made))
        except Invalid as error:  # of all parameters together
            found = error.violations
            raise InvalidArgument(BrokenRule("space", v.description) for v in found) from error

    # --------------------------------------------------------------------- values

    def decode(self, texts: Mapping[str, str]) -> dict[str, object]:
        """Return the values that the texts of a suggestion stand for.

        Raises:
            KeyError: If a parameter is missing.
            ValueError: If a text stands for no value.
        """
        return {name: p.decode(texts[name]) for name, p in self.parameters.items()}

    def decode_active(self, texts: Mapping[str, str]) -> dict[str, object]:
        """Return the values of the parameters that `texts` has; inactive ones are left out."""
        return {name: p.decode(texts[name]) for name, p in self.parameters.items() if name in texts}

    def decoders(self) -> dict[str, str | dict[str, object]]:
        """Return what `decode` does, in terms that need nothing of this package.

        By name: ``float``, ``int``, or the values of a list by their texts.
        """
        return {name: parameter.decoder() for name, parameter in self.parameters.items()}

    def encode(
        self,
        values: Mapping[str, object],
        subject: str = "point",
        inactive: Callable[[Mapping[str, str]], frozenset[str]] | None = None,
        partial: bool = False,
    ) -> dict[str, str]:
        """Return the texts that stand for `values`, which must lie in the space.

        Args:
            inactive: Returns the names that may be missing, and are left out, beside such texts.
            partial: Whether any name may be missing.

        Raises:
            InvalidArgument: With every name that is missing or unknown, and every value that is
                not in the space.
        """
        broken = [
            BrokenRule(f"{subject}[{name!r}]", f"must be a parameter of the space ({self._names})")
            for name in values
            if name not in self.parameters
        ]
        unknown = len(broken)
        texts: dict[str, str] = {}
        for name, parameter in self.parameters.items():
            if name not in values:
                continue
            text = parameter.encode(values[name])
            if text is None or self.domain[name].parse(text) is None:
                rule = f"must be in {self.place(name)}, got {values[name]!r}"
                broken.append(BrokenRule(f"{subject}[{name!r}]", rule))
            else:
                texts[name] = text
        sound = len(broken) == unknown  # else it is not known which ones are active
        free = inactive(texts) if inactive is not None and sound else frozenset()
        for name in self.parameters:
            if not partial and name not in values and name not in free:
                broken.append(BrokenRule(subject, f"must have a value for {name!r}, got none"))
        if broken:
            raise InvalidArgument(broken)
        return {name: text for name, text in texts.items() if name not in free}

    @property
    def _names(self) -> str:
        return ", ".join(self.parameters)

    # ----------------------------------------------------------------------- JSON

    def to_json(self) -> list[dict[str, object]]:
        """Return the space as JSON: its declarations, and values of lists as Python literals."""
        made = self.declarations()
        for entry, parameter in zip(made, self.parameters.values(), strict=True):
            literals = parameter.literals()
            if literals is not None:
                entry["literals"] = list(literals)
        return made


_DISTRIBUTIONS: Final = ("uniform", "logUniform", "normal", "logNormal")


def from_json(declared: Sequence[Mapping[str, object]], subject: str) -> Space:
    """Return the space that `declared` holds: `Space.to_json`, or parameters of an Experiment file.

    Raises:
        InvalidArgument: If it holds values that only the user's program can make.
    """
    parameters: dict[str, Parameter[object]] = {}
    places: dict[str, str] = {}
    broken = []
    for index, entry in enumerate(declared):
        name = str(entry["name"])
        places[name] = f"{subject}.parameters[{index}]"
        feasible = entry["feasibleSpace"]
        assert isinstance(feasible, Mapping)
        if entry["parameterType"] in ("double", "int"):
            parameters[name] = _range(entry["parameterType"] == "int", feasible)
            continue
        literals = entry.get("literals")
        texts = [str(text) for text in feasible.get("list") or ()]
        ordered = entry["parameterType"] == "discrete"
        if not isinstance(literals, Sequence):
            values: list[object] = [_number(text) if ordered else text for text in texts]
        elif None in literals:
            rule = "has values that cannot be stored; give the space again, as it was"
            broken.append(BrokenRule(places[name], rule))
            continue
        else:
            values = [ast.literal_eval(str(literal)) for literal in literals]
        parameters[name] = Listed(values, ordered=ordered, texts=texts)
    if broken:
        raise InvalidArgument(broken)
    return Space(parameters, places)


def _range(is_int: bool, feasible: Mapping[str, object]) -> Parameter[object]:
    step = feasible.get("step")
    distribution = str(feasible.get("distribution") or "uniform")
    return Range(
        whole if is_int else float,
        str(feasible.get("min", "")),
        str(feasible.get("max", "")),
        None if step in (None, "") else str(step),
        distribution if distribution in _DISTRIBUTIONS else "uniform",
        is_int,
    )


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text
