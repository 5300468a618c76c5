"""Parameters of this project from what other systems say of theirs, and the other way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from suggestion.conversion.definition import ConversionError, Loss
from suggestion.conversion.fields import scalar
from suggestion.problem.errors import Invalid, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numbers import exact
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter
from suggestion.problem.priors import Distribution

#: How far from its mean, in standard deviations, a normal distribution is searched here.
DEVIATIONS: Final = 3
#: Values of a lattice that are written as a list where a system has no steps.
MOST_LISTED: Final = 100


class Builder:
    """Collects the parameters of a file, and all that is wrong with them.

    Args:
        losses: Told of what is not carried over exactly.
    """

    def __init__(self, losses: list[Loss]) -> None:
        self.losses = losses
        self.conditions: list[str] = []
        self._parameters: list[Parameter] = []
        self._broken: list[Loss] = []

    def finish(self) -> tuple[Parameter, ...]:
        """Return the parameters.

        Raises:
            ConversionError: If any breaks a rule, with all of them.
        """
        if self._broken:
            raise ConversionError(self._broken)
        return tuple(self._parameters)

    def refuse(self, place: str, why: str) -> None:
        """Say that a parameter cannot be read."""
        self._broken.append(Loss(place, why))

    def ranged(
        self,
        name: str,
        place: str,
        low: object,
        high: object,
        step: object = None,
        *,
        whole: bool = False,
        log: bool = False,
        normal: bool = False,
    ) -> None:
        """Add a number between `low` and `high`, both included.

        Args:
            step: Width of the lattice that begins at `low`; None without one.
            whole: Whether it is an int; else a float.
            log: Whether its logarithm has the distribution.
            normal: Whether that is normal, with the bounds at 3 standard deviations; else uniform.
        """
        distribution = {
            (False, False): Distribution.UNIFORM,
            (True, False): Distribution.LOG_UNIFORM,
            (False, True): Distribution.NORMAL,
            (True, True): Distribution.LOG_NORMAL,
        }[log, normal]
        kind = Int if whole else Double
        try:
            width = None if step is None else scalar(step)
            self.add(kind(name, scalar(low), scalar(high), width, distribution))
        except Invalid as error:
            self._broken += [Loss(place, v.description) for v in error.violations]

    def quantised(
        self, name: str, place: str, low: object, high: object, step: object, **options: bool
    ) -> None:
        """Add a number that other systems round to a multiple of `step`."""
        numbers = [exact(scalar(given)) for given in (low, high, step)]
        first, last, width = numbers
        if first is not None and last is not None and width is not None and width > 0:
            begin, end = math.ceil(first / width) * width, math.floor(last / width) * width
            if begin <= end and (begin, end) != (first, last):
                why = f"the multiples of {scalar(step)} reach from {float(begin)!r} to"
                self.losses.append(Loss(place, f"{why} {float(end)!r}"))
                low, high = (_decimal(number) for number in (begin, end))
        self.ranged(name, place, low, high, step, **options)

    def normal(
        self, name: str, place: str, mean: object, deviation: object, step: object = None,
        *, log: bool = False,
    ) -> None:  # fmt: skip
        """Add a normally distributed number, which is unbounded elsewhere."""
        middle, width = exact(scalar(mean)), exact(scalar(deviation))
        if middle is None or width is None or width <= 0:
            rule = "a normal distribution needs a mean and a deviation above 0"
            self.refuse(place, f"{rule}, got {scalar(mean)} and {scalar(deviation)}")
            return
        ends = [float(middle + sign * DEVIATIONS * width) for sign in (-1, 1)]
        if log:
            ends = [_exponential(end) for end in ends]
        self.losses.append(Loss(place, "the normal distribution is cut at 3 standard deviations"))
        if step is None:
            self.ranged(name, place, ends[0], ends[1], log=log, normal=True)
        else:
            self.quantised(name, place, ends[0], ends[1], step, log=log, normal=True)

    def listed(self, name: str, place: str, values: object, *, ordered: bool | None = None) -> None:
        """Add one of a list of values.

        Args:
            ordered: Whether it is a number whose neighbours are alike; None: if all are numbers.
        """
        if not isinstance(values, Sequence) or isinstance(values, str):
            self.refuse(place, f"must be a list of values, got {scalar(values)}")
            return
        if any(isinstance(value, dict | list | tuple) for value in values):
            self.refuse(place, "values must be numbers or texts, got a mapping or a list")
            return
        if ordered is None:
            numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
            ordered = len(numbers) == len(values) > 0 and len(set(numbers)) == len(numbers)
        kind = Discrete if ordered else Categorical
        texts = tuple(map(scalar, values))
        try:
            self.add(kind(name, texts))
        except Invalid as error:
            self._broken += [Loss(place, v.description) for v in error.violations]

    def literal(self, place: str, text: str) -> str:
        """Return a text as the language of conditions writes it."""
        for mark in "'\"":
            if mark not in text:
                return f"{mark}{text}{mark}"
        rule = "a text of a condition must not have both kinds of quotation marks"
        self.refuse(place, f"{rule}, got {quote(text)}")
        return "''"

    def add(self, parameter: Parameter) -> None:
        """Add a parameter, whose name must be new."""
        if any(known.name == parameter.name for known in self._parameters):
            self.refuse(parameter.name, "a name must not be used twice")
        else:
            self._parameters.append(parameter)


def before(end: object) -> object:
    """Return the whole number before `end`; `end` itself if it is no number, which is refused."""
    number = exact(scalar(end))
    return end if number is None else _decimal(number - 1)


def negative(end: object) -> object:
    """Return ``-end``; `end` itself if it is no number, which is refused."""
    number = exact(scalar(end))
    return end if number is None else float(-number)


def exponential(end: object) -> object:
    """Return e to the power of `end`; `end` itself if it is no number, which is refused."""
    number = exact(scalar(end))
    return end if number is None else _exponential(float(number))


def _exponential(power: float) -> float:
    try:
        return math.exp(power)
    except OverflowError:
        return math.inf


def _decimal(number: Fraction) -> str:
    whole = number.denominator == 1
    return str(number.numerator) if whole else repr(float(number))


def number(text: str) -> int | float:
    """Return a number as JSON and YAML have it: whole ones without a point."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def values(parameter: Parameter) -> list[Any]:
    """Return the values of a list as JSON has them: numbers of a discrete parameter, else texts."""
    if isinstance(parameter, Discrete):
        return [number(text) for text in parameter.values]
    assert isinstance(parameter, Categorical)
    return list(parameter.values)


def lattice(parameter: Double | Int) -> list[Any] | None:
    """Return all values of a parameter with steps; None if there are too many to be listed."""
    if parameter.levels is None or parameter.levels > MOST_LISTED:
        return None
    made: list[Any] = [parameter.value(level) for level in range(parameter.levels)]
    return made


def listing(parameter: Double | Int) -> str:
    """Return what becomes of a parameter of which `lattice` is written."""
    uniform = parameter.distribution is Distribution.UNIFORM
    return f"its steps become a list of values{'' if uniform else ', equally probable'}"


def stepped(parameter: Double | Int) -> bool:
    """Return whether a parameter has steps that its type alone does not say."""
    return parameter.step is not None and (isinstance(parameter, Double) or parameter.step != 1)


def multiples(parameter: Double | Int) -> bool:
    """Return whether min and max are multiples of the step."""
    low, high, step = (exact(scalar(n)) for n in (parameter.min, parameter.max, parameter.step))
    assert low is not None
    assert high is not None
    return bool(step) and not low % step and not high % step  # type: ignore[operator]


def moments(parameter: Double | Int) -> tuple[float, float]:
    """Return mean and standard deviation of a normal parameter, or of its logarithm."""
    low, high = float(parameter.min), float(parameter.max)
    if parameter.distribution.is_log:
        low, high = math.log(low), math.log(high)
    return (low + high) / 2, (high - low) / (2 * DEVIATIONS)
