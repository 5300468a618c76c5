"""What the contract demands of a parameter's values, one rule at a time.

Written from the contract and independent of any server's code: numbers are compared as the decimals
that were written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from statistics import NormalDist
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb

_INT: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DOUBLE: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LOG: Final = (pb.LOG_UNIFORM, pb.LOG_NORMAL)
_NORMAL: Final = (pb.NORMAL, pb.LOG_NORMAL)
_STANDARD: Final = NormalDist()


class Parameter:
    """A parameter as declared in an experiment, and the rules for its values."""

    def __init__(self, spec: pb.ParameterSpec) -> None:
        self.spec = spec
        self.name = spec.name
        space = spec.feasible_space
        self.listed = tuple(space.list)
        self.is_list = spec.parameter_type in (pb.DISCRETE, pb.CATEGORICAL)
        self.is_int = spec.parameter_type == pb.INT
        self.low = self.high = Decimal(0)
        self.step: Decimal | None = None
        if not self.is_list:
            self.low, self.high = Decimal(space.min), Decimal(space.max)
            if space.step:
                self.step = Decimal(space.step)
            elif self.is_int:
                self.step = Decimal(1)
        #: Number of values; None if continuous.
        self.size: int | None = None
        if self.is_list:
            self.size = len(self.listed)
        elif self.step is not None:
            self.size = int((self.high - self.low) // self.step) + 1

    # ------------------------------------------------------------------- rules

    def misformatted(self, text: str) -> str | None:
        """Return the rule on the format of numbers that `text` breaks, if any."""
        if self.is_int and not _INT.fullmatch(text):
            return f"parameter {self.name!r}: an int must be written like 3, got {text!r}"
        if not self.is_list and not _DOUBLE.fullmatch(text):
            return f"parameter {self.name!r}: a number must be written like 0.1, got {text!r}"
        return None

    def out_of_range(self, text: str) -> str | None:
        """Return the rule that `text` breaks if it is out of range. Texts that are not numbers
        break another rule.
        """
        number = decimal(text)
        if self.is_list or number is None or self.low <= number <= self.high:
            return None
        return f"parameter {self.name!r}: value must lie in [{self.low}, {self.high}], got {text!r}"

    def unlisted(self, text: str) -> str | None:
        """Return the rule that `text` breaks if it is not in the list, character by character."""
        if not self.is_list or text in self.listed:
            return None
        return f"parameter {self.name!r}: value must be one of {list(self.listed)}, got {text!r}"

    def off_lattice(self, text: str) -> str | None:
        """Return the rule that `text`, a number in the range, breaks if it is not min + k
        * step.
        """
        number = decimal(text)
        if self.is_list or self.step is None or number is None:
            return None
        if self.out_of_range(text) or (self.is_int and number % 1):
            return None  # left to other rules
        nearest = self.low + round((number - self.low) / self.step) * self.step
        # As floats, since a step such as 0.1 is not a binary fraction; larger errors still show.
        if float(nearest) == float(number):
            return None
        return f"parameter {self.name!r}: value must be {self.low} + k * {self.step}, got {text!r}"

    def key(self, text: str) -> object:
        """Return a key that is equal for texts with the same value."""
        number = None if self.is_list else decimal(text)
        return text if number is None else float(number)

    # ------------------------------------------------------------------- prior

    def _cumulative(self, number: float) -> float:
        """Return the prior probability of a value up to `number`, ignoring the lattice."""
        low, high = float(self.low), float(self.high)
        if self.spec.feasible_space.distribution in _LOG:
            number, low, high = math.log(max(number, 5e-324)), math.log(low), math.log(high)
        position = min(max((number - low) / (high - low), 0.0), 1.0) if high > low else 1.0
        if self.spec.feasible_space.distribution in _NORMAL:
            edge = _STANDARD.cdf(-3)
            return (_STANDARD.cdf(6 * position - 3) - edge) / (1 - 2 * edge)
        return position

    def _quantile(self, share: float) -> float:
        """Invert `_cumulative`."""
        position = share
        if self.spec.feasible_space.distribution in _NORMAL:
            edge = _STANDARD.cdf(-3)
            position = (_STANDARD.inv_cdf(edge + share * (1 - 2 * edge)) + 3) / 6
        low, high = float(self.low), float(self.high)
        if self.spec.feasible_space.distribution in _LOG:
            number = math.exp(math.log(low) * (1 - position) + math.log(high) * position)
        else:
            number = low * (1 - position) + high * position
        return min(max(number, low), high)

    def level(self, text: str) -> int:
        """Return the index of `text` among the values of a list or lattice, from 0."""
        if self.is_list:
            return self.listed.index(text)
        assert self.step is not None
        return round((Decimal(text) - self.low) / self.step)

    def text(self, share: float) -> str:
        """Return the value at quantile `share`, in [0, 1), of the prior, as a trial has it."""
        if self.size is None:
            return repr(self._quantile(share))
        if self.is_list:
            return self.listed[int(share * self.size)]
        assert self.step is not None
        if self.spec.feasible_space.distribution in (*_LOG, *_NORMAL):
            number = Decimal(self._quantile(share))
            level = min(round((number - self.low) / self.step), self.size - 1)
        else:
            level = int(share * self.size)
        return str(self.low + level * self.step)

    def share(self, text: str) -> float:
        """Return a quantile in [0, 1] of the prior for `text`: roughly the inverse of `text`."""
        if self.size is None:
            return self._cumulative(float(text))
        if self.is_list or self.spec.feasible_space.distribution not in (*_LOG, *_NORMAL):
            return (self.level(text) + 0.5) / self.size
        return self._cumulative(float(text))

    def distance(self, texts: Sequence[str]) -> float:
        """Return the largest difference of the distribution of `texts` from the prior
        (Kolmogorov).
        """
        total = len(texts)
        if self.size is None:
            shares = sorted(self._cumulative(float(text)) for text in texts)
            return max(max((k + 1) / total - s, s - k / total) for k, s in enumerate(shares))
        counts = [0] * self.size
        for text in texts:
            counts[min(max(self.level(text), 0), self.size - 1)] += 1
        uniform = self.is_list or self.spec.feasible_space.distribution not in (*_LOG, *_NORMAL)
        worst, seen = 0.0, 0
        for level, count in enumerate(counts[:-1]):
            seen += count
            if uniform:
                prior = (level + 1) / self.size
            else:
                assert self.step is not None
                prior = self._cumulative(float(self.low + level * self.step + self.step / 2))
            worst = max(worst, abs(seen / total - prior))
        return worst


def decimal(text: str) -> Decimal | None:
    """Return the finite number that `text` represents, or None."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


class Space:
    """The parameters of an experiment."""

    def __init__(self, specs: Iterable[pb.ParameterSpec]) -> None:
        self.parameters = tuple(Parameter(spec) for spec in specs)
        self.by_name = {p.name: p for p in self.parameters}
        #: Names of the texts of a suggestion.
        self.names = tuple(self.by_name)

    @property
    def size(self) -> int | None:
        """Number of points; None if the space is continuous."""
        sizes = [p.size for p in self.parameters]
        return None if None in sizes else math.prod(s for s in sizes if s is not None)

    def point(self, shares: Iterable[float]) -> dict[str, str]:
        """Return the assignment at these quantiles of the parameters' priors."""
        return {p.name: p.text(s) for p, s in zip(self.parameters, shares, strict=True)}

    def shares(self, assignment: Mapping[str, str]) -> list[float]:
        """Return the position of `assignment` in the unit cube."""
        return [p.share(assignment[p.name]) for p in self.parameters]

    def fits(self, assignment: Mapping[str, str]) -> bool:
        """Return whether `assignment` holds a valid value of every parameter."""
        return all(
            p.name in assignment
            and not p.unlisted(assignment[p.name])
            and (p.is_list or decimal(assignment[p.name]) is not None)
            for p in self.parameters
        )

    def key(self, assignment: Mapping[str, str]) -> tuple[object, ...]:
        """Return a key that is equal for assignments of the same point."""
        return tuple(p.key(assignment.get(p.name, "")) for p in self.parameters)
