"""Random numbers, sequences and orders that are functions of a seed and an index.

Nothing here keeps state: the i-th element can be computed without the ones before it, in any
process, so a stream continues across restarts, replicas and repeated calls.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.space import Array, Assignment, SearchSpace

#: Most dimensions that `sobol` has direction numbers for.
SOBOL_DIMENSIONS: Final = 1024
_SOBOL_BITS: Final = 32
_OUTPUT_BITS: Final = 53
_FEW_POINTS: Final = 2**16
_CHUNK: Final = 1024  # points computed between two looks at the deadline


def seed_of(text: str) -> int:
    """64 bits from any text, the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _key(seed: int, *stream: int | str) -> int:
    text = "/".join(f"{len(str(part))}:{part}" for part in (seed, *stream))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def generator(seed: int, *stream: int | str) -> np.random.Generator:
    """A generator of its own for every `seed` and `stream` of labels and indices."""
    return np.random.Generator(np.random.Philox(key=_key(seed, *stream)))


def uniforms(seed: int, start: int, count: int, width: int, *stream: int | str) -> Array:
    """Independent uniform numbers in [0, 1), shape (count, width).

    Row r depends on `seed`, `stream`, `width` and ``start + r`` alone.

    .. [Steele2014] G. L. Steele, D. Lea, C. H. Flood. Fast splittable pseudorandom number
       generators. OOPSLA 2014.
    """
    key = _key(seed, *stream)
    first, second = np.uint64(key & _WORD), np.uint64(key >> 64)
    with np.errstate(over="ignore"):
        # SplitMix64 as a counter-based generator [Steele2014]_, finalised twice under two keys. Not
        # numpy.random, whose import costs more memory than all of our own code.
        counters = np.arange(count * width, dtype=np.uint64)
        counters += np.uint64(start * width & _WORD)
        words = _mix(_mix(counters * _GOLDEN + first) ^ second)
    kept = (words >> np.uint64(11)).reshape(count, width)
    return kept.astype(np.float64) * 2.0**-53


_WORD: Final = 2**64 - 1
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: a random-looking bijection of 64-bit words."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


# ------------------------------------------------------------------- permutations


class Permutation:
    """A random order of 0 .. size-1, for any size, without storing it.

    Small ones are shuffled; large ones are a Feistel network on the smallest a*b >= size, walked
    until it falls below size [BlackRogaway2002]_.

    .. [BlackRogaway2002] J. Black, P. Rogaway. Ciphers with arbitrary finite domains. CT-RSA 2002.
    """

    _ROUNDS: Final = 8

    def __init__(self, size: int, seed: int, *stream: int | str) -> None:
        self._size = size
        self._key = _key(seed, "permutation", *stream).to_bytes(16, "little")
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
        digest_size = min(64, self._a.bit_length() // 8 + 9)
        hashed = hashlib.blake2b(data, key=self._key, salt=bytes([turn]), digest_size=digest_size)
        return int.from_bytes(hashed.digest(), "little")


# ------------------------------------------------------------------ Sobol sequence


@lru_cache(maxsize=1)
def _joe_kuo() -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    from importlib import resources  # noqa: PLC0415  (for Sobol alone)

    path = resources.files("suggestion.numerics") / "data" / "joe-kuo-d6.npz"
    with path.open("rb") as file, np.load(file) as data:
        return data["degree"], data["coefficients"], data["initial"]


@lru_cache(maxsize=8)
def _directions(dimension: int) -> NDArray[np.uint64]:
    """Direction numbers, shape (32, dimension), by eq. (2) and (3) of [JoeKuo2008]_."""
    bits = _SOBOL_BITS
    columns = [[1 << (bits - 1 - k) for k in range(bits)]]
    degrees, coefficients, initial = _joe_kuo()
    for column in range(1, dimension):
        degree, a = int(degrees[column]), int(coefficients[column])
        m = [int(x) for x in initial[column, :degree]]
        for k in range(degree, bits):
            new = m[k - degree] ^ (m[k - degree] << degree)
            for i in range(1, degree):
                if a >> (degree - 1 - i) & 1:
                    new ^= m[k - i] << i
            m.append(new)
        columns.append([m[k] << (bits - 1 - k) for k in range(bits)])
    return np.array(columns, dtype=np.uint64).T


def sobol(seed: int, start: int, count: int, dimension: int) -> Array:
    """Points of the Sobol sequence with Owen's nested uniform scrambling, shape (count, dimension).

    Row r is point ``start + r`` of the sequence that `seed` scrambles, in [0, 1).
    Direction numbers are those of [JoeKuo2008]_; the scrambling is [Owen1998]_'s: the flip of a
    digit is a random function of the digits above it, here a hash of them.

    Raises:
        ValueError: If `dimension` exceeds `SOBOL_DIMENSIONS`.

    .. [JoeKuo2008] S. Joe, F. Y. Kuo. Constructing Sobol sequences with better two-dimensional
       projections. SIAM J. Sci. Comput. 30(5), 2008.
    .. [Owen1998] A. B. Owen. Scrambling Sobol' and Niederreiter-Xing points. J. Complexity
       14, 1998.
    """
    keys = [_key(seed, "sobol", column) & _WORD for column in range(dimension)]
    scrambled = _scramble(sobol_digits(start, count, dimension), np.array(keys, dtype=np.uint64))
    return scrambled.astype(np.float64) * 2.0**-_OUTPUT_BITS


def sobol_digits(start: int, count: int, dimension: int) -> NDArray[np.uint64]:
    """The Sobol sequence before scrambling, as 32-bit fractions, shape (count, dimension).

    Raises:
        ValueError: If `dimension` exceeds `SOBOL_DIMENSIONS`.
    """
    if dimension > SOBOL_DIMENSIONS:
        raise ValueError(f"sobol has at most {SOBOL_DIMENSIONS} dimensions, got {dimension}")
    index = np.arange(start, start + count, dtype=np.uint64) & np.uint64(2**_SOBOL_BITS - 1)
    gray = index ^ (index >> np.uint64(1))
    used = max(int(gray.max()).bit_length(), 1) if count else 1
    directions = _directions(dimension)
    digits = np.zeros((count, dimension), dtype=np.uint64)
    for k in range(used):
        digits ^= ((gray >> np.uint64(k)) & np.uint64(1))[:, None] * directions[k]
    return digits


def _scramble(digits: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Owen's scrambling of 32-bit fractions, continued to 53 bits, as integers below 2**53.

    Args:
        digits: Shape (n, d).
        keys: One for each column, shape (d,).
    """
    with np.errstate(over="ignore"):
        counters = np.arange(1, _SOBOL_BITS + 2, dtype=np.uint64) * _GOLDEN
        salts = _mix(counters[:, None] + keys)
        flips = np.zeros_like(digits)
        for k in range(_SOBOL_BITS):
            shift = np.uint64(_SOBOL_BITS - k)  # the k digits above digit k stay
            flip = _mix((digits >> shift) ^ salts[k]) >> np.uint64(63)
            flips |= flip << (shift - np.uint64(1))
        # Below the last digit of the sequence everything is random.
        extra = _OUTPUT_BITS - _SOBOL_BITS
        tail = _mix(digits ^ salts[_SOBOL_BITS]) >> np.uint64(64 - extra)
        return ((digits ^ flips) << np.uint64(extra)) | tail


# ----------------------------------------------------- streams that do not repeat


def _no_check() -> None:
    """For callers without a deadline."""


def independent(
    space: SearchSpace,
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None] = _no_check,
) -> list[Assignment]:
    """Suggestions `start` .. of the stream of independent draws from the prior.

    On a finite space every point comes once before any comes again, in the order in which draws
    without replacement, each in proportion to the prior, would give them; then the same order
    begins anew, so that a repetition is always as far away as it can be.

    Args:
        check: Called between steps; may raise, see `Deadline.check`.
    """
    size = space.size
    if size is None:
        pass
    elif all(parameter.is_uniform for parameter in space.parameters):
        return _permuted(space, seed, start, count)
    elif size <= _FEW_POINTS:
        return _weighted(space, seed, start, count)

    def draw(first: int, number: int) -> Array:
        return uniforms(seed, first, number, space.dimension, "independent")

    return distinct(space, draw, seed, start, count, check)


def _permuted(space: SearchSpace, seed: int, start: int, count: int) -> list[Assignment]:
    assert space.size is not None
    order = Permutation(space.size, seed, "independent")
    return [space.point(order((start + k) % space.size)) for k in range(count)]


def _weighted(space: SearchSpace, seed: int, start: int, count: int) -> list[Assignment]:
    """Sequential draws without replacement, by exponential clocks [EfraimidisSpirakis2006]_.

    .. [EfraimidisSpirakis2006] P. S. Efraimidis, P. G. Spirakis. Weighted random sampling with a
       reservoir. Information Processing Letters 97(5), 2006.
    """
    assert space.size is not None
    weights = np.ones(1)
    for parameter in space.parameters:
        assert parameter.levels is not None
        low, high = parameter.cells(np.arange(parameter.levels, dtype=np.int64))
        weights = np.outer(weights, high - low).ravel()
    clocks = -np.log1p(-uniforms(seed, 0, space.size, 1, "clocks")[:, 0])
    order = np.argsort(clocks / np.maximum(weights, 1e-300), kind="stable").tolist()
    return [space.point(order[(start + k) % space.size]) for k in range(count)]


def distinct(
    space: SearchSpace,
    draw: Callable[[int, int], Array],
    seed: int,
    start: int,
    count: int,
    check: Callable[[], None] = _no_check,
) -> list[Assignment]:
    """Elements `start` .. of a stream of points with its repetitions left out.

    Where the stream hardly brings new points any more, the rest of a finite space follows in a
    random order; after its last point the space begins again.

    Args:
        draw: Points ``first`` .. of the stream, ``draw(first, n)`` of shape (n, dimension).
        check: Called between steps; may raise, see `Deadline.check`.
    """
    size = space.size
    if size is None:
        found = []
        for first in range(start, start + count, _CHUNK):
            check()
            found += space.decode(draw(first, min(_CHUNK, start + count - first)))
        return found
    start %= size
    wanted = min(start + count, size)
    points: dict[bytes, Array] = {}  # by the cell that they lie in
    drawn = 0
    # The chunks are the same whatever is asked for, so where the stream is given up is too.
    while len(points) < wanted and drawn <= 4 * len(points) + 4096:
        check()
        chunk = draw(drawn, min(max(drawn, 64), _CHUNK))
        for cell in space.snap(chunk):
            points.setdefault(cell.tobytes(), cell)
        drawn += len(chunk)
    if len(points) < wanted:
        order = Permutation(size, seed, "rest")
        for index in range(size):
            if index % _CHUNK == 0:
                check()
            (cell,) = space.encode([space.point(order(index))])
            points.setdefault(cell.tobytes(), cell)
            if len(points) >= wanted:
                break
    found = space.decode(np.array(list(points.values())[start:wanted]))
    if len(found) < count:
        found += distinct(space, draw, seed, 0, count - len(found), check)
    return found


class Visited:
    """Points of a space that were tried or handed out."""

    def __init__(self, space: SearchSpace, assignments: Iterable[Assignment] = ()) -> None:
        self._space = space
        self._keys = {space.key(assignment) for assignment in assignments}

    def __contains__(self, assignment: Assignment) -> bool:
        return self._space.key(assignment) in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, assignment: Assignment) -> None:
        self._keys.add(self._space.key(assignment))

    @property
    def used_up(self) -> bool:
        """Whether no point of a finite space is left."""
        return self._space.size is not None and len(self._keys) >= self._space.size

    def unvisited(self, seed: int, *stream: int | str) -> Assignment:
        """A random point that is not among these.

        If every point of a finite space is, they are forgotten first: the space begins anew.

        Args:
            seed, stream: As for `generator`; the same ones give the same point.
        """
        space = self._space
        if self.used_up:
            self._keys.clear()
        for row in uniforms(seed, 0, 64, space.dimension, "unvisited", *stream):
            (assignment,) = space.decode(row[None])
            if assignment not in self:
                return assignment
        if space.size is not None:
            order = Permutation(space.size, seed, "unvisited", *stream)
            # One more than there are visited points suffices to meet one that is not.
            for index in range(min(space.size, len(self._keys) + 1)):
                assignment = space.point(order(index))
                if assignment not in self:
                    return assignment
        return assignment


class Untried:
    """Picks points that were neither tried nor picked before, as long as there are any.

    Once every point of a finite space has been tried, it begins again, and keeps apart only what
    it has picked itself: the points of one reply.

    Args:
        space: Of the points.
        visited: The points tried before; changed by every pick.
    """

    def __init__(self, space: SearchSpace, visited: Visited) -> None:
        self._space = space
        self._visited = visited
        self._picked = Visited(space)

    def pick(self, proposals: Iterable[Assignment], seed: int, *stream: int | str) -> Assignment:
        """The first of `proposals` that is untried, else a random untried point.

        Args:
            proposals: Looked at only as far as needed.
            seed, stream: As for `generator`; they decide about the random point.
        """
        if self._visited.used_up:
            self._visited = self._picked
        if self._visited.used_up:
            self._visited = self._picked = Visited(self._space)
        for point in proposals:
            if point not in self._visited:
                break
        else:
            point = self._visited.unvisited(seed, *stream)
        self._visited.add(point)
        self._picked.add(point)
        return point
