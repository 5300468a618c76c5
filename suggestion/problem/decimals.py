"""The decimals that the numbers of a continuous parameter are written with.

Functions such as exp and log differ in their last digit from one kind of processor to another, and
a suggestion must not. So a continuous parameter suggests decimals of `DIGITS` digits: of its range,
or of the number itself where its prior is logarithmic. That is far coarser than what processors
differ by, and far finer than a trial can tell apart. Where a number lies so close to the middle
between two decimals that its last digits would decide, it is computed again with as many digits
as that takes [Ziv1991]_.

.. [Ziv1991] A. Ziv. Fast evaluation of elementary mathematical functions with correctly rounded
   last bit. ACM Transactions on Mathematical Software 17(3), 1991.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array
from suggestion.problem.priors import Prior

#: Digits of a suggested number of a continuous parameter.
DIGITS: Final = 10
#: A continuous parameter has at least as many decimals to suggest.
FEWEST: Final = 10 ** (DIGITS - 1)

_EPSILON: Final = 2.0**-52
_EXACT: Final = Context(prec=50, Emax=10**6, Emin=-(10**6))  # no float's exponent is out of reach
_PI: Final = Decimal("3.14159265358979323846264338327950288419716939937510582")


@dataclass(frozen=True, slots=True)
class Decimals:
    """The decimals in a continuous range.

    Attributes:
        prior: The distribution over the range.
        exponent: Of the power of ten between two neighbours; where the prior is logarithmic, it is
            less for the numbers below the width of the range.
    """

    prior: Prior
    exponent: int

    @classmethod
    def of(cls, prior: Prior) -> Decimals:
        """Return those of the range of `prior`, which must not be empty."""
        width = _EXACT.subtract(Decimal(prior.high), Decimal(prior.low))
        return cls(prior, width.adjusted() - (DIGITS - 1))

    def at(self, units: Array) -> list[float]:
        """Return the decimals next to the quantiles `units`, in [0, 1], of the prior; shape (n,).

        They do not leave the range, whose ends may have more digits.
        """
        numbers = self.prior.quantile(units)
        exponents = self._exponents(numbers)
        pairs = zip(numbers.tolist(), exponents, strict=True)
        found = [_round(number, exponent) for number, exponent in pairs]
        if not self._same_everywhere:
            for k in np.flatnonzero(self._doubtful(numbers, np.array(found), exponents)).tolist():
                found[k] = self._exactly(float(units[k]), exponents[k])
        # Zero is added for the sign of -0.0.
        return [min(max(number + 0.0, self.prior.low), self.prior.high) for number in found]

    @property
    def _same_everywhere(self) -> bool:
        """Whether quantiles are sums and products alone, which IEEE 754 defines to the last bit."""
        return not self.prior.distribution.is_log and not self.prior.distribution.is_normal

    def _exponents(self, numbers: Array) -> list[int]:
        if not self.prior.distribution.is_log:
            return [self.exponent] * len(numbers)
        # At a power of ten, which is a decimal of either, the one or the other comes out.
        own = np.floor(np.log10(numbers)) - (DIGITS - 1)
        return [int(exponent) for exponent in np.minimum(own, self.exponent).tolist()]

    def _doubtful(self, numbers: Array, found: Array, exponents: list[int]) -> NDArray[np.bool_]:
        """Return where the errors of `numbers` could have decided about the decimals `found`."""
        halves = np.array([float(f"5e{exponent - 1}") for exponent in exponents])
        slack = np.abs(np.abs(numbers - found) - halves)
        return np.asarray(slack <= self._errors(numbers) + 2 * _spacing(found))

    def _errors(self, numbers: Array) -> Array:
        """Return bounds for the errors of `numbers`, quantiles of the prior."""
        low, high, distribution = self.prior.low, self.prior.high, self.prior.distribution
        # A share of the normal distribution is exact to 2^-53, and the quantile at +3 deviations is
        # 1 / phi(3) = 226 times as steep, for a range of 6: 4e-15 of the range.
        position = 2e-14 if distribution.is_normal else 0.0
        if not distribution.is_log:
            return np.asarray(2 * position * (high / 2 - low / 2) + 4 * _spacing(numbers))
        digits_lost = 0.0  # to the size of the logarithm, which exp turns into relative errors
        if high / 2 >= low:
            digits_lost = max(abs(math.log(low)), abs(math.log(high)))
        relative = _EPSILON * (8 + 4 * digits_lost) + position * (math.log(high) - math.log(low))
        return numbers * relative

    def _exactly(self, unit: float, exponent: int) -> float:
        number = exact_quantile(self.prior, unit)
        return float(number.quantize(Decimal((0, (1,), exponent)), context=_EXACT))


def _spacing(numbers: Array) -> Array:
    """Return the distances between `numbers` and the next floats; the largest has none above."""
    return np.asarray(np.spacing(np.minimum(np.abs(numbers), 1e308)))


def _round(number: float, exponent: int) -> float:
    """Return the decimal next to `number`; the largest float, if it lies past all floats."""
    try:
        return round(number, -exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, number)


def exact_quantile(prior: Prior, unit: float) -> Decimal:
    """Return the quantile `unit`, in [0, 1], of `prior` with more than 40 correct digits."""
    c, low, high = _EXACT, Decimal(prior.low), Decimal(prior.high)
    position = Decimal(unit)
    if prior.distribution.is_normal and 0 < unit < 1:
        least = _below(Decimal(-3))
        share = c.fma(c.subtract(Decimal(1), c.multiply(Decimal(2), least)), position, least)
        position = c.divide(c.add(_deviations(share), Decimal(3)), Decimal(6))
    if not prior.distribution.is_log:
        return c.fma(c.subtract(high, low), position, low)
    low, high = c.ln(low), c.ln(high)
    return c.exp(c.fma(c.subtract(high, low), position, low))


def _deviations(share: Decimal) -> Decimal:
    """Return where the normal distribution has `share` below, by Newton's method."""
    from statistics import NormalDist  # noqa: PLC0415  (a MiB that few spaces need)

    c = _EXACT
    z = Decimal(NormalDist().inv_cdf(float(share)))
    for _ in range(3):  # 16 digits, 32, 64
        z = c.subtract(z, c.divide(c.subtract(_below(z), share), _density(z)))
    return z


def _density(z: Decimal) -> Decimal:
    c = _EXACT
    bell = c.exp(c.divide(c.multiply(z, z), Decimal(-2)))
    return c.divide(bell, c.sqrt(c.multiply(Decimal(2), _PI)))


def _below(z: Decimal) -> Decimal:
    """Return Phi(z) = 1/2 + phi(z) (z + z^3/3 + z^5/(3 5) + ...)."""
    c, square = _EXACT, _EXACT.multiply(z, z)
    total = term = z
    odd = 1
    while abs(term) > Decimal("1e-55"):
        odd += 2
        term = c.divide(c.multiply(term, square), Decimal(odd))
        total = c.add(total, term)
    return c.fma(_density(z), total, Decimal("0.5"))
