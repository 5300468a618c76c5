"""Random numbers and orders that are functions of a seed and an index.

Nothing here keeps state: the i-th element can be computed without the ones before it, in any
process, so a stream continues across restarts, replicas and repeated calls.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

T = TypeVar("T")

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_WORD: Final = 2**64 - 1
_FEW_POINTS: Final = 2**16


def seed_of(text: str) -> int:
    """64 bits from any text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def key(seed: int, *stream: int | str) -> int:
    """Return 128 bits for `seed` and `stream`, the same in every process."""
    text = "/".join(f"{len(str(part))}:{part}" for part in (seed, *stream))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator(seed: int, *stream: int | str) -> np.random.Generator:
    """A generator of its own for every `seed` and `stream` of labels and indices."""
    return np.random.Generator(np.random.Philox(key=key(seed, *stream)))


def uniforms(seed: int, start: int, count: int, width: int, *stream: int | str) -> Array:
    """Independent uniform numbers in [0, 1), shape (count, width).

    Row r depends on `seed`, `stream`, `width` and ``start + r`` alone.

    .. [Steele2014] G. L. Steele, D. Lea, C. H. Flood. Fast splittable pseudorandom number
       generators. OOPSLA 2014.
    """
    bits = key(seed, *stream)
    first, second = np.uint64(bits & _WORD), np.uint64(bits >> 64)
    with np.errstate(over="ignore"):
        # SplitMix64 as a counter-based generator [Steele2014]_, finalised twice under two keys. Not
        # numpy.random, whose import costs more memory than all of our own code.
        counters = np.arange(count * width, dtype=np.uint64)
        counters += np.uint64(start * width & _WORD)
        words = mix(mix(counters * GOLDEN + first) ^ second)
    kept = (words >> np.uint64(11)).reshape(count, width)
    return kept.astype(np.float64) * 2.0**-53


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finaliser of SplitMix64, a random-looking bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class Permutation:
    """A random order of 0 .. size-1, for any size, without storing it.

    Small ones are shuffled; large ones are a Feistel network on the smallest a*b >= size, walked
    until it falls below size [BlackRogaway2002]_.

    .. [BlackRogaway2002] J. Black, P. Rogaway. Ciphers with arbitrary finite domains. CT-RSA 2002.
    """

    _ROUNDS: Final = 8

    def __init__(self, size: int, seed: int, *stream: int | str) -> None:
        self._size = size
        self._key = key(seed, "permutation", *stream).to_bytes(16, "little")
        self._table: list[int] | None = None
        if size <= _FEW_POINTS:
            shuffled = np.argsort(uniforms(seed, 0, size, 1, "permutation", *stream)[:, 0])
            self._table = [*shuffled.tolist()]
        else:
            self._a = math.isqrt(size - 1) + 1
            self._b = -(-size // self._a)

    def __call__(self, index: int) -> int:
        """The element at `index`, ``0 <= index < size``."""
        if self._table is not None:
            return self._table[index]
        index = self._encrypt(index)
        while index >= self._size:
            index = self._encrypt(index)
        return index

    def _encrypt(self, index: int) -> int:
        left, right = divmod(index, self._b)
        for turn in range(self._ROUNDS):
            if turn % 2:
                right = (right + self._hash(turn, left)) % self._b
            else:
                left = (left + self._hash(turn, right)) % self._a
        return left * self._b + right

    def _hash(self, turn: int, half: int) -> int:
        data = half.to_bytes(half.bit_length() // 8 + 1, "little")
        digest_size = self._a.bit_length() // 8 + 9
        if digest_size > hashlib.blake2b.MAX_DIGEST_SIZE:
            stretched = hashlib.shake_256(self._key + bytes([turn]) + data).digest(digest_size)
            return int.from_bytes(stretched, "little")
        hashed = hashlib.blake2b(data, key=self._key, salt=bytes([turn]), digest_size=digest_size)
        return int.from_bytes(hashed.digest(), "little")


class Order(Generic[T]):
    """An order of `size` elements without some of them, then all of them again and again.

    An element that is left out is replaced by one from the end of the order.

    Args:
        element: Returns the element at an index below `size`.
        size: Number of elements.
        key: Returns what equal elements have in common.
        skip: Different elements to leave out; if all are, none is.
    """

    def __init__(
        self,
        element: Callable[[int], T],
        size: int,
        key: Callable[[T], Hashable],
        skip: Sequence[T] = (),
    ) -> None:
        self._element, self._size, self._key = element, size, key
        number = len(skip) if len(skip) < size else 0
        self.size = size - number
        last = [element(self.size + k) for k in range(number)]
        at_end = {key(each) for each in last}
        left_out = [key(each) for each in skip[:number]]
        spare = [each for each in last if key(each) not in left_out]
        replaced = [each for each in left_out if each not in at_end]
        self._instead = dict(zip(replaced, spare, strict=True))

    def __call__(self, index: int) -> T:
        """Return the element at `index`, at least 0."""
        if index >= self.size:
            return self._element((index - self.size) % self._size)
        element = self._element(index)
        if not self._instead:
            return element
        return self._instead.get(self._key(element), element)
